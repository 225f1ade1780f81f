#include "dp/forward/answers/reply.h"

#include "dp/forward/path/ingress.h"
#include "dp/net/checksum.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

[[nodiscard]] std::uint32_t ip_header_bytes(bool is_v6) noexcept {
    return is_v6 ? sizeof(Ipv6Header) : sizeof(Ipv4Header);
}

void write_v4(std::uint8_t* start, const ReplyHeader& header, std::size_t payload_bytes) noexcept {
    auto& ip = header_at<Ipv4Header>(start);
    ip = {};
    ip.version_and_length = 0x45;
    ip.tos = header.tos;
    ip.total_length.set(
        Be16::from_host(static_cast<std::uint16_t>(sizeof(Ipv4Header) + payload_bytes)));
    ip.identification.set(header.identification);
    ip.flags_and_offset.set(header.may_be_fragmented ? header.fragment_bits : kIpv4DontFragment);
    ip.ttl = header.ttl;
    ip.protocol = header.protocol;
    ip.source.set(header.source.v4());
    ip.destination.set(header.destination.v4());
    ip.checksum.set(checksum_of({start, sizeof(Ipv4Header)}));
}

void write_v6(std::uint8_t* start, const ReplyHeader& header, std::size_t payload_bytes) noexcept {
    auto& ip = header_at<Ipv6Header>(start);
    ip = {};
    ip.version_class_label.set(Be32::from_host(6U << 28U | std::uint32_t{header.tos} << 20U));
    ip.payload_length.set(Be16::from_host(static_cast<std::uint16_t>(payload_bytes)));
    ip.next_header = header.protocol;
    ip.hop_limit = header.ttl;
    ip.source = header.source.bytes();
    ip.destination = header.destination.bytes();
}

}  // namespace

std::span<std::uint8_t> ip_packet_of(const Packet& packet, bool is_v6) noexcept {
    std::uint8_t* const ip = packet.data + sizeof(EthernetHeader);
    const std::size_t bytes =
        is_v6 ? sizeof(Ipv6Header) + header_at<Ipv6Header>(ip).payload_length.get().host()
              : header_at<Ipv4Header>(ip).total_length.get().host();
    return {ip, bytes};
}

bool has_room(const Packet& packet,
              const std::uint8_t* payload_start,
              std::size_t bytes,
              bool is_v6) noexcept {
    const auto before = static_cast<std::size_t>(payload_start - packet.data) + packet.headroom;
    return before >= sizeof(EthernetHeader) + ip_header_bytes(is_v6) + bytes;
}

bool is_addressed_to_port(const ForwardContext& context, const Packet& packet) noexcept {
    const OwnMac own(context.snapshot, context.receiving_port);
    return own.is_known() && own.is_destination_of(packet.data);
}

bool may_reply(ForwardContext& context,
               const Packet& packet,
               ReplyKind kind,
               Verdict& verdict) noexcept {
    if (!is_addressed_to_port(context, packet)) {
        return false;
    }
    if (!context.reply_limit.take(kind, context.now_ms)) {
        verdict.reason = DropReason::kReplyRateLimited;
        context.counters.worker->suppressed_replies[static_cast<std::size_t>(kind)].add(1);
        return false;
    }
    return true;
}

void send_reply(ForwardContext& context,
                Packet& packet,
                const EthernetHeader& came,
                std::span<std::uint8_t> payload,
                const ReplyHeader& header,
                Verdict& verdict) noexcept {
    const bool is_v6 = !header.source.is_v4();
    std::uint8_t* const ip = payload.data() - ip_header_bytes(is_v6);
    is_v6 ? write_v6(ip, header, payload.size()) : write_v4(ip, header, payload.size());
    std::uint8_t* const frame = ip - sizeof(EthernetHeader);
    auto& ethernet = header_at<EthernetHeader>(frame);
    ethernet.destination = came.source;
    ethernet.source = came.destination;
    ethernet.type.set(is_v6 ? kEtherTypeIpv6 : kEtherTypeIpv4);

    packet.headroom += static_cast<std::uint32_t>(frame - packet.data);  // modulo 2^32: may shrink
    packet.length = static_cast<std::uint32_t>(payload.data() + payload.size() - frame);
    packet.data = frame;
    verdict.action = Action::kTransmit;
    verdict.reason = DropReason::kNone;
    verdict.port = context.receiving_port;
    verdict.backend = kNoBackendIndex;
    verdict.reply = header.kind;
    context.counters.worker->replies[static_cast<std::size_t>(header.kind)].add(1);
}

}  // namespace fairlead
