#include "dp/forward/answers/echo.h"

#include "dp/base/read_once.h"
#include "dp/forward/answers/reply.h"
#include "dp/forward/rare/icmp.h"
#include "dp/net/checksum.h"
#include "dp/net/parse.h"

namespace fairlead {

bool answers_echo(const shm::Snapshot& snapshot, const IpAddress& vip) noexcept {
    const shm::ServiceRecord* const mark = snapshot.find(vip, Be16{}, shm::kVipMark);
    return mark != nullptr && (read_once(mark->vip_policy) & shm::kAnswersEcho) != 0;
}

ReplyHeader echo_header(const std::uint8_t* ip,
                        const IpAddress& vip,
                        const IpAddress& client,
                        bool is_v6) noexcept {
    ReplyHeader header{.kind = ReplyKind::kEcho, .source = vip, .destination = client};
    if (is_v6) {
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
    return header;
}

void turn_into_reply(IcmpHeader& icmp, bool is_v6) noexcept {
    const std::uint8_t type = is_v6 ? kIcmpv6EchoReply : kIcmpEchoReply;
    const auto word = [&icmp](std::uint8_t kind) {
        return Be16::from_host(static_cast<std::uint16_t>(kind << 8U | icmp.code));
    };
    icmp.checksum.set(updated_checksum(icmp.checksum.get(), word(icmp.type), word(type)));
    icmp.type = type;
    if (!is_v6 && icmp.checksum.get() == Be16{}) [[unlikely]] {
        // The update cannot tell the two zeros of one's complement apart (RFC 1624, 3): of a
        // message that is all zero the checksum is 0xFFFF, which is as good for any other. ICMPv6
        // sums up a pseudo-header that never is zero.
        icmp.checksum.set(Be16::from_host(0xFFFF));
    }
}

void answer_echo(ForwardContext& context,
                 Packet& packet,
                 const IpView& view,
                 std::span<std::uint8_t> message,
                 Verdict& verdict) noexcept {
    verdict.reason = DropReason::kEchoRefused;
    if (!answers_echo(context.snapshot, view.destination) ||
        !has_room(packet, message.data(), 0, view.is_v6) ||
        !may_reply(context, packet, ReplyKind::kEcho, verdict)) {
        return;
    }
    if (!has_right_icmp_checksum(packet.data + sizeof(EthernetHeader), message, view.is_v6)) {
        verdict.reason = DropReason::kBadIcmpChecksum;
        return;
    }
    const EthernetHeader ethernet = header_at<EthernetHeader>(packet.data);
    const ReplyHeader header = echo_header(
        packet.data + sizeof(EthernetHeader), view.destination, view.source, view.is_v6);
    auto& icmp = header_at<IcmpHeader>(message.data());
    turn_into_reply(icmp, view.is_v6);
    if (!view.is_v6 && icmp.checksum.get() == Be16::from_host(0xFFFF)) [[unlikely]] {
        icmp.checksum.set(Be16{});  // the whole message is here: which of the two zeros it is
        icmp.checksum.set(checksum_of(message));
    }
    send_reply(context, packet, ethernet, message, header, verdict);
}

}  // namespace fairlead
