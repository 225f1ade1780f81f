#include "dp/forward/answers/neighbor.h"

#include "dp/forward/answers/advertisement.h"
#include "dp/forward/answers/reply.h"
#include "dp/forward/path/ingress.h"
#include "dp/net/checksum.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

constexpr std::size_t kIp = sizeof(EthernetHeader);
constexpr std::uint8_t kSourceLinkLayer = 1;
// RFC 4291, 2.7.1: the first 13 bytes of every solicited-node group.
constexpr std::array<std::uint8_t, 13> kSolicitedNode{0xFF, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF};

[[nodiscard]] bool is_group(const MacAddress& mac) noexcept {
    return (mac.bytes[0] & 1U) != 0;
}

[[nodiscard]] bool is_vip(const shm::Snapshot& snapshot, const IpAddress& address) noexcept {
    return snapshot.find(address, Be16{}, shm::kVipMark) != nullptr;
}

[[nodiscard]] Be16 type_of(const Packet& packet) noexcept {
    return header_at<EthernetHeader>(packet.data).type.get();
}

// A solicitation with nothing of it checked but that it is there.
struct Solicitation {
    Ipv6Header ip;
    std::uint8_t* message = nullptr;
    std::uint32_t bytes = 0;
    IpAddress target;
};

[[nodiscard]] bool read_solicitation(const Packet& packet, Solicitation& found) noexcept {
    if (packet.length < kIp + sizeof(Ipv6Header) + sizeof(NeighborMessage)) {
        return false;
    }
    found.ip = header_at<Ipv6Header>(packet.data + kIp);
    found.message = packet.data + kIp + sizeof(Ipv6Header);
    found.bytes = found.ip.payload_length.get().host();
    const auto& message = header_at<NeighborMessage>(found.message);
    if (found.ip.version() != 6 || found.ip.next_header != kProtocolIcmpv6 ||
        message.icmp.type != kIcmpv6NeighborSolicitation || is_v4_mapped(message.target)) {
        return false;
    }
    found.target = IpAddress::from_v6(message.target);
    return true;
}

// RFC 4861, 7.1.1.
[[nodiscard]] bool is_sound(const Packet& packet, const Solicitation& asked) noexcept {
    const auto& message = header_at<NeighborMessage>(asked.message);
    if (asked.ip.hop_limit != kNeighborHopLimit || message.icmp.code != 0 ||
        asked.bytes < sizeof(NeighborMessage) ||
        asked.bytes > packet.length - kIp - sizeof(Ipv6Header)) {
        return false;
    }
    const std::span<const std::uint8_t> bytes(asked.message, asked.bytes);
    const std::uint64_t sum =
        sum_bytes(bytes) + sum_pseudo_header(asked.ip, asked.bytes, kProtocolIcmpv6);
    if (fold_checksum(sum) != 0xFFFFU) {
        return false;
    }
    const bool is_unspecified = halves_of(asked.ip.source) == Ipv6Halves{};
    if (is_unspecified ? asked.ip.destination[0] != 0xFF : is_martian_v6(asked.ip.source)) {
        return false;
    }
    for (std::size_t at = sizeof(NeighborMessage); at < bytes.size();) {
        const std::size_t left = bytes.size() - at;
        const std::size_t option_bytes = left < 2 ? 0 : bytes[at + 1] * std::size_t{8};
        if (option_bytes == 0 || option_bytes > left ||
            (is_unspecified && bytes[at] == kSourceLinkLayer)) {
            return false;
        }
        at += option_bytes;
    }
    return true;
}

void answer_arp(ForwardContext& context,
                Packet& packet,
                const MacAddress& own,
                Verdict& verdict) noexcept {
    auto& ethernet = header_at<EthernetHeader>(packet.data);
    auto& arp = header_at<ArpPacket>(packet.data + kIp);
    if (arp.sender_ip.get() == arp.target_ip.get() || is_group(arp.sender_mac)) {
        return;
    }
    const Be32 vip = arp.target_ip.get();
    arp.operation.set(kArpReply);
    arp.target_mac = arp.sender_mac;
    arp.target_ip = arp.sender_ip;
    arp.sender_mac = own;
    arp.sender_ip.set(vip);
    ethernet.destination = ethernet.source;
    ethernet.source = own;
    packet.length = kIp + sizeof(ArpPacket);
    verdict.action = Action::kTransmit;
    verdict.reason = DropReason::kNone;
    verdict.port = context.receiving_port;
    verdict.reply = ReplyKind::kNeighbor;
    context.counters.worker->replies[static_cast<std::size_t>(ReplyKind::kNeighbor)].add(1);
}

void answer_solicitation(ForwardContext& context,
                         Packet& packet,
                         const MacAddress& own,
                         Verdict& verdict) noexcept {
    Solicitation asked;
    if (!read_solicitation(packet, asked) || !is_vip(context.snapshot, asked.target) ||
        !is_sound(packet, asked)) {
        return;
    }
    // The advertisement has an option that the solicitation may lack, so it begins 8 bytes earlier.
    std::uint8_t* const start = asked.message - sizeof(LinkLayerOption);
    if (!has_room(packet, start, 0, true)) {
        return;
    }
    const bool is_unspecified = halves_of(asked.ip.source) == Ipv6Halves{};
    EthernetHeader ethernet = header_at<EthernetHeader>(packet.data);
    ethernet.destination = own;  // the reply's source
    if (is_unspecified) {
        ethernet.source = kAllNodesMac;
    }
    const ReplyHeader header{
        .kind = ReplyKind::kNeighbor,
        .source = asked.target,
        .destination = IpAddress::from_v6(is_unspecified ? kAllNodes : asked.ip.source),
        .protocol = kProtocolIcmpv6,
        .ttl = kNeighborHopLimit};
    write_advertisement(start,
                        {.target = asked.target,
                         .destination = header.destination,
                         .own = own,
                         .is_solicited = !is_unspecified});
    send_reply(context, packet, ethernet, {start, kAdvertisementBytes}, header, verdict);
}

}  // namespace

bool asks_for_vip(const shm::Snapshot& snapshot, const Packet& packet) noexcept {
    if (type_of(packet) == kEtherTypeArp) {
        if (packet.length < kIp + sizeof(ArpPacket)) {
            return false;
        }
        const auto& arp = header_at<ArpPacket>(packet.data + kIp);
        return arp.hardware_type.get() == kArpEthernet &&
               arp.protocol_type.get() == kEtherTypeIpv4 && arp.hardware_bytes == 6 &&
               arp.protocol_bytes == 4 && arp.operation.get() == kArpRequest &&
               is_vip(snapshot, IpAddress::from_v4(arp.target_ip.get()));
    }
    Solicitation asked;
    return type_of(packet) == kEtherTypeIpv6 && read_solicitation(packet, asked) &&
           std::memcmp(asked.ip.destination.data(), kSolicitedNode.data(), kSolicitedNode.size()) ==
               0 &&
           is_vip(snapshot, asked.target);
}

void answer_neighbor(ForwardContext& context, Packet& packet, Verdict& verdict) noexcept {
    const std::uint32_t port = to_number(context.receiving_port);
    if (port >= context.snapshot.port_count) {
        return;
    }
    const OwnMac own_mac(context.snapshot, context.receiving_port);
    const auto& ethernet = header_at<EthernetHeader>(packet.data);
    const bool is_asked_directly = own_mac.is_destination_of(packet.data);
    if (!own_mac.is_known() || (!is_asked_directly && !is_group(ethernet.destination)) ||
        is_group(ethernet.source)) {
        return;
    }
    // Who asks a virtual router's address whether it is still there keeps it.
    const MacAddress own =
        is_asked_directly ? ethernet.destination : context.snapshot.header->ports[port].mac;
    if (type_of(packet) == kEtherTypeArp) {
        answer_arp(context, packet, own, verdict);
    } else {
        answer_solicitation(context, packet, own, verdict);
    }
}

}  // namespace fairlead
