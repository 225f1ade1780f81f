#include "dp/forward/answers/reject.h"

#include "dp/base/read_once.h"
#include "dp/forward/answers/icmp_error.h"
#include "dp/forward/answers/reply.h"
#include "dp/net/checksum.h"
#include "dp/net/ip_view.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

[[nodiscard]] std::uint64_t sum_segment(std::span<const std::uint8_t> ip,
                                        std::span<const std::uint8_t> segment,
                                        const IpView& view) noexcept {
    const auto bytes = static_cast<std::uint32_t>(segment.size());
    return sum_bytes(segment) +
           (view.is_v6 ? sum_pseudo_header(header_at<Ipv6Header>(ip.data()), bytes, view.protocol)
                       : sum_pseudo_header(header_at<Ipv4Header>(ip.data()), bytes, view.protocol));
}

// A UDP datagram may end before its IP packet does; over IPv4 it may come without a checksum (RFC
// 768), over IPv6 not (RFC 8200, 8.1).
[[nodiscard]] bool has_right_udp_checksum(std::span<const std::uint8_t> ip,
                                          std::span<const std::uint8_t> datagram,
                                          const IpView& view) noexcept {
    const auto& udp = header_at<UdpHeader>(datagram.data());
    if (udp.checksum.get() == Be16{}) {
        return !view.is_v6;
    }
    const std::size_t length = udp.length.get().host();
    return length <= datagram.size() &&
           fold_checksum(sum_segment(ip, datagram.first(length), view)) == 0xFFFFU;
}

// Turns the segment's header into that of its reset. `payload_bytes` is what stood behind it.
void write_reset(std::uint8_t* segment, std::size_t payload_bytes) noexcept {
    const TcpHeader came = header_at<TcpHeader>(segment);
    auto& reset = header_at<TcpHeader>(segment);
    reset = {};
    reset.source_port = came.destination_port;
    reset.destination_port = came.source_port;
    reset.data_offset = 5U << 4U;
    reset.flags = kTcpRst;
    if ((came.flags & kTcpAck) != 0) {
        reset.sequence = came.acknowledgement;
        return;
    }
    // SYN and FIN take a sequence number each (RFC 9293, 3.4).
    const std::uint32_t length = static_cast<std::uint32_t>(payload_bytes) +
                                 ((came.flags & kTcpSyn) != 0 ? 1U : 0U) +
                                 ((came.flags & kTcpFin) != 0 ? 1U : 0U);
    reset.flags = kTcpRst | kTcpAck;
    reset.acknowledgement.set(Be32::from_host(came.sequence.get().host() + length));
}

void answer_segment(ForwardContext& context,
                    Packet& packet,
                    std::span<std::uint8_t> segment,
                    const IpView& view,
                    Verdict& verdict) noexcept {
    const auto& came = header_at<TcpHeader>(segment.data());
    if ((came.flags & kTcpRst) != 0 || came.header_bytes() > segment.size() ||
        !has_room(packet, segment.data(), 0, view.is_v6) ||
        !may_reply(context, packet, ReplyKind::kReset, verdict)) {
        return;
    }
    const EthernetHeader ethernet = header_at<EthernetHeader>(packet.data);
    write_reset(segment.data(), segment.size() - came.header_bytes());
    const std::span<std::uint8_t> reset = segment.first(sizeof(TcpHeader));
    const ReplyHeader header{.kind = ReplyKind::kReset,
                             .source = view.destination,
                             .destination = view.source,
                             .protocol = kProtocolTcp};
    send_reply(context, packet, ethernet, reset, header, verdict);
    const std::span<const std::uint8_t> ip = ip_packet_of(packet, view.is_v6);
    header_at<TcpHeader>(reset.data())
        .checksum.set(Be16::from_raw(
            static_cast<std::uint16_t>(~fold_checksum(sum_segment(ip, reset, view)))));
}

}  // namespace

void answer_no_service(ForwardContext& context,
                       Packet& packet,
                       const PacketFacts& facts,
                       Verdict& verdict) noexcept {
    const std::span<std::uint8_t> ip = ip_packet_of(packet, facts.is_v6);
    const auto view = view_ip(ip, facts.is_v6);
    if (!view || view->is_fragment) {
        return;
    }
    const shm::ServiceRecord* const mark =
        context.snapshot.find(view->destination, Be16{}, shm::kVipMark);
    if (mark == nullptr || (read_once(mark->vip_policy) & shm::kRejectsUnmatched) == 0) {
        return;
    }
    const std::span<std::uint8_t> payload = ip.subspan(view->header_bytes);
    if (view->protocol == kProtocolTcp && payload.size() >= sizeof(TcpHeader) &&
        fold_checksum(sum_segment(ip, payload, *view)) == 0xFFFFU) {
        answer_segment(context, packet, payload, *view, verdict);
    } else if (view->protocol == kProtocolUdp && payload.size() >= sizeof(UdpHeader) &&
               has_right_udp_checksum(ip, payload, *view)) {
        answer_port_unreachable(context, packet, facts, verdict);
    }
}

}  // namespace fairlead
