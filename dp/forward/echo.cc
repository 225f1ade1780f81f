#include "dp/forward/echo.h"

#include "dp/base/read_once.h"
#include "dp/forward/reply.h"
#include "dp/net/checksum.h"
#include "dp/net/parse.h"

namespace fairlead {

void answer_echo(ForwardContext& context,
                 Packet& packet,
                 const IpView& view,
                 std::span<std::uint8_t> message,
                 Verdict& verdict) noexcept {
    verdict.reason = DropReason::kEchoRefused;
    const shm::ServiceRecord* const mark =
        context.snapshot.find(view.destination, Be16{}, shm::kVipMark);
    if (mark == nullptr || (read_once(mark->vip_policy) & shm::kAnswersEcho) == 0 ||
        !has_room(packet, message.data(), 0, view.is_v6) ||
        !may_reply(context, packet, ReplyKind::kEcho, verdict)) {
        return;
    }
    const EthernetHeader ethernet = header_at<EthernetHeader>(packet.data);
    const std::uint8_t* const ip = packet.data + sizeof(EthernetHeader);
    ReplyHeader header{
        .kind = ReplyKind::kEcho, .source = view.destination, .destination = view.source};
    std::uint8_t type = kIcmpEchoReply;
    if (view.is_v6) {
        type = kIcmpv6EchoReply;
        header.protocol = kProtocolIcmpv6;
        header.tos = static_cast<std::uint8_t>(
            header_at<Ipv6Header>(ip).version_class_label.get().host() >> 20U);
    } else {
        const auto& request = header_at<Ipv4Header>(ip);
        header.protocol = kProtocolIcmp;
        header.tos = request.tos;
        header.identification = request.identification.get();
        header.may_be_fragmented = true;
    }
    auto& icmp = header_at<IcmpHeader>(message.data());
    const auto word = [&icmp](std::uint8_t kind) {
        return Be16::from_host(static_cast<std::uint16_t>(kind << 8U | icmp.code));
    };
    icmp.checksum.set(updated_checksum(icmp.checksum.get(), word(icmp.type), word(type)));
    icmp.type = type;
    if (!view.is_v6 && icmp.checksum.get() == Be16{}) [[unlikely]] {
        // The update cannot tell the two zeros of one's complement apart (RFC 1624, 3): of a
        // message that is all zero the checksum is 0xFFFF. ICMPv6 sums up a pseudo-header that
        // never is.
        icmp.checksum.set(checksum_of(message));
    }
    send_reply(context, packet, ethernet, message, header, verdict);
}

}  // namespace fairlead
