#include "dp/forward/path/rewrite.h"

#include <algorithm>
#include <cstring>

#include "dp/base/read_once.h"
#include "dp/forward/path/egress.h"
#include "dp/forward/path/tunnel.h"
#include "dp/net/encap.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

// For a frame that came shorter than one may be, on a virtual link: it gets padding of zeros, which
// tell nothing of what was in the buffer before, or stays as long as it came.
[[gnu::noinline]] void pad(const ForwardContext& context, Packet& packet) noexcept {
    if (context.has_padding_room) {
        std::memset(packet.data + packet.length, 0, kMinFrameBytes - packet.length);
        packet.length = kMinFrameBytes;
    }
}

[[nodiscard]] DropReason send_l2(const ForwardContext& context,
                                 Packet& packet,
                                 const PacketFacts& facts,
                                 shm::BackendWord word,
                                 const shm::PortRecord& port) noexcept {
    if (!fits(facts.ip_bytes, port)) {
        return DropReason::kTooBig;
    }
    write_macs(packet.data, word, port);
    if (packet.length < kMinFrameBytes) [[unlikely]] {
        pad(context, packet);
        return DropReason::kNone;
    }
    // Of its padding as much as it needs.
    packet.length = std::max<std::uint32_t>(kEthernetBytes + facts.ip_bytes, kMinFrameBytes);
    return DropReason::kNone;
}

// The frame begins `outer_bytes` further ahead.
void grow(Packet& packet, const PacketFacts& facts, std::uint32_t outer_bytes) noexcept {
    packet.data -= outer_bytes;
    packet.headroom -= outer_bytes;
    packet.length = kEthernetBytes + outer_bytes + facts.ip_bytes;
}

// 4in4 and 6in6 from the port's address; what changes the family goes the general way.
[[nodiscard]] DropReason send_ipip(Packet& packet,
                                   const PacketFacts& facts,
                                   const Selection& selection,
                                   const shm::PortRecord& port) noexcept {
    const IpAddress backend = selection.record->address;
    if (backend.is_v4() == facts.is_v6) {
        return send_by_tunnel(packet, facts, selection, port);
    }
    std::uint8_t* const ip = packet.data + kEthernetBytes;
    Be16 type = kEtherTypeIpv4;
    if (facts.is_v6) {
        auto& inner = header_at<Ipv6Header>(ip);
        const DropReason reason = check_tunnel(
            packet, facts, *selection.record, port, {sizeof(Ipv6Header), true, inner.hop_limit});
        if (reason != DropReason::kNone) {
            return reason;
        }
        inner.hop_limit = static_cast<std::uint8_t>(inner.hop_limit - 1);
        write_6in6(ip - sizeof(Ipv6Header), inner, port.tunnel_source_v6, backend);
        grow(packet, facts, sizeof(Ipv6Header));
        type = kEtherTypeIpv6;
    } else {
        auto& inner = header_at<Ipv4Header>(ip);
        const DropReason reason = check_tunnel(
            packet, facts, *selection.record, port, {sizeof(Ipv4Header), false, inner.ttl});
        if (reason != DropReason::kNone) {
            return reason;
        }
        decrement_ttl(inner);
        write_4in4(ip - sizeof(Ipv4Header), inner, port.tunnel_source_v4, backend);
        grow(packet, facts, sizeof(Ipv4Header));
    }
    header_at<EthernetHeader>(packet.data).type.set(type);
    write_macs(packet.data, selection.word, port);
    return DropReason::kNone;
}

}  // namespace

std::size_t rewrite_burst(const ForwardContext& context,
                          std::span<Packet> packets,
                          std::span<const PacketFacts> facts,
                          std::span<const Selection> selections,
                          std::span<Verdict> verdicts) noexcept {
    const shm::Snapshot& snapshot = context.snapshot;
    std::size_t leaving = 0;
    for (std::size_t i = 0; i < packets.size(); ++i) {
        if (facts[i].service == nullptr) {
            continue;
        }
        const shm::BackendWord word = selections[i].word;
        Verdict& verdict = verdicts[i];
        if (!word.has(shm::BackendWord::kLinked)) {
            verdict.reason = DropReason::kNoNeighbor;
            continue;
        }
        if (to_number(word.port()) >= snapshot.port_count) {
            verdict.reason = DropReason::kBadTables;
            continue;
        }
        const shm::PortRecord& port = snapshot.header->ports[to_number(word.port())];
        DropReason reason = DropReason::kNone;
        switch (read_once(facts[i].service->mode)) {
            case shm::ForwardingMode::kL2:
                reason = send_l2(context, packets[i], facts[i], word, port);
                break;
            case shm::ForwardingMode::kIpip:  // a source for each flow is the general way's
                reason = (port.entropy_bits_v4 | port.entropy_bits_v6) == 0
                             ? send_ipip(packets[i], facts[i], selections[i], port)
                             : send_by_tunnel(packets[i], facts[i], selections[i], port);
                break;
            default:  // a scribbled segment holds any number, which is refused there
                reason = send_by_tunnel(packets[i], facts[i], selections[i], port);
                break;
        }
        if (reason != DropReason::kNone) [[unlikely]] {
            verdict.reason = reason;
            continue;
        }
        verdict.action = Action::kTransmit;
        verdict.port = word.port();
        ++leaving;
    }
    return leaving;
}

}  // namespace fairlead
