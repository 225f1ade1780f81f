#include "dp/forward/path/tunnel.h"

#include <algorithm>
#include <array>
#include <bit>

#include "dp/forward/path/egress.h"
#include "dp/net/inner_sum.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

using shm::ForwardingMode;

// The dynamic ports (RFC 6335, 6), as draft-ietf-intarea-gue-09, 5.6.1, asks for: 14 bits of
// entropy. They come from the low half of the hash, since the high half has chosen the backend.
[[nodiscard]] Be16 entropy_port(std::uint64_t hash) noexcept {
    return Be16::from_host(static_cast<std::uint16_t>(0xC000U | (hash & 0x3FFFU)));
}

// Lowers the inner TTL, and tells what the outer header takes over.
[[nodiscard]] OuterFields pass_hop(std::uint8_t* ip, const PacketFacts& facts) noexcept {
    if (facts.is_v6) {
        auto& inner = header_at<Ipv6Header>(ip);
        inner.hop_limit = static_cast<std::uint8_t>(inner.hop_limit - 1);
        return outer_fields(inner);
    }
    auto& inner = header_at<Ipv4Header>(ip);
    decrement_ttl(inner);
    return outer_fields(inner, static_cast<std::uint32_t>(facts.hash));
}

// Writes what stands between outer and inner IP header, right before the inner one, and returns the
// protocol that the outer header gives it.
[[nodiscard]] std::uint8_t write_middle(std::uint8_t* ip,
                                        const PacketFacts& facts,
                                        ForwardingMode mode) noexcept {
    const std::uint8_t inner_protocol = facts.is_v6 ? kProtocolIpv6 : kProtocolIpip;
    if (mode == ForwardingMode::kGre) {
        write_gre(ip - sizeof(GreHeader), facts.is_v6 ? kEtherTypeIpv6 : kEtherTypeIpv4);
        return kProtocolGre;
    }
    if (mode == ForwardingMode::kGue) {
        write_gue(ip - kGueBytes, entropy_port(facts.hash), inner_protocol, facts.ip_bytes);
        return kProtocolUdp;
    }
    return inner_protocol;
}

}  // namespace

IpAddress source_from_prefix(const shm::PortRecord& port,
                             bool outer_is_v6,
                             std::uint64_t hash) noexcept {
    const auto entropy = static_cast<std::uint32_t>(hash);
    if (!outer_is_v6) {
        const unsigned bits = std::min<unsigned>(read_once(port.entropy_bits_v4), 32);
        const auto mask = static_cast<std::uint32_t>((std::uint64_t{1} << bits) - 1);
        return IpAddress::from_v4(
            Be32::from_host((port.tunnel_prefix_v4.host() & ~mask) | (entropy & mask)));
    }
    const std::array<Be32, 4> words{port.tunnel_prefix_v6[0],
                                    port.tunnel_prefix_v6[1],
                                    port.tunnel_prefix_v6[2],
                                    Be32::from_host(entropy)};
    return IpAddress::from_v6(std::bit_cast<std::array<std::uint8_t, 16>>(words));
}

DropReason send_by_tunnel(Packet& packet,
                          const PacketFacts& facts,
                          const Selection& selection,
                          const shm::PortRecord& port) noexcept {
    const ForwardingMode mode = read_once(facts.service->mode);
    const IpAddress backend = selection.record->address;
    const bool is_v6 = !backend.is_v4();
    const std::uint32_t overhead = tunnel_overhead(mode, is_v6);
    if (overhead == 0) {
        return DropReason::kBadTables;
    }
    std::uint8_t* const ip = packet.data + kEthernetBytes;
    const std::uint8_t ttl =
        facts.is_v6 ? header_at<Ipv6Header>(ip).hop_limit : header_at<Ipv4Header>(ip).ttl;
    const DropReason reason =
        check_tunnel(packet, facts, *selection.record, port, {overhead, is_v6, ttl});
    if (reason != DropReason::kNone) {
        return reason;
    }
    OuterFields fields = pass_hop(ip, facts);
    fields.protocol = write_middle(ip, facts, mode);
    std::uint8_t* const outer = ip - overhead;
    if (is_v6) {
        const IpAddress source = tunnel_source(port, true, facts.hash);
        fields.payload_bytes =
            facts.ip_bytes + overhead - static_cast<std::uint32_t>(sizeof(Ipv6Header));
        write_outer_v6(outer, fields, source, backend);
        if (mode == ForwardingMode::kGue) {
            std::uint8_t* const udp = ip - kGueBytes;
            header_at<UdpHeader>(udp).checksum.set(gue_checksum(
                udp, sum_of_packet({ip, facts.ip_bytes}, facts.is_v6), source, backend));
        }
    } else {
        fields.payload_bytes =
            facts.ip_bytes + overhead - static_cast<std::uint32_t>(sizeof(Ipv4Header));
        write_outer_v4(outer, fields, tunnel_source(port, false, facts.hash), backend);
    }
    packet.data -= overhead;
    packet.headroom -= overhead;
    packet.length = kEthernetBytes + overhead + facts.ip_bytes;
    header_at<EthernetHeader>(packet.data).type.set(is_v6 ? kEtherTypeIpv6 : kEtherTypeIpv4);
    write_macs(packet.data, selection.word, port);
    return DropReason::kNone;
}

}  // namespace fairlead
