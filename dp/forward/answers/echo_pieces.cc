#include "dp/forward/answers/echo_pieces.h"

#include "dp/base/read_once.h"
#include "dp/forward/answers/echo.h"
#include "dp/forward/answers/reply.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

// What a fragment header's second word has beside offset and More Fragments is reserved.
constexpr Be16 kOffsetAndMore = Be16::from_host(0xFFF9);

[[nodiscard]] bool fits_port(const ForwardContext& context,
                             const Piece& piece,
                             bool is_v6) noexcept {
    const std::uint32_t headers =
        is_v6 ? sizeof(Ipv6Header) + sizeof(FragmentHeader) : sizeof(Ipv4Header);
    const auto port = to_number(context.receiving_port);
    return headers + piece.bytes <= read_once(context.snapshot.header->ports[port].mtu_bytes);
}

}  // namespace

bool is_icmp(const Piece& piece, bool is_v6) noexcept {
    return piece.protocol == (is_v6 ? kProtocolIcmpv6 : kProtocolIcmp);
}

bool is_ping(const FragmentEntry& entry) noexcept {
    return entry.protocol == kProtocolIcmp || entry.protocol == kProtocolIcmpv6;
}

DropReason check_ping(const ForwardContext& context, const Piece& piece, bool is_v6) noexcept {
    if (piece.payload_bytes < sizeof(IcmpHeader)) {
        return DropReason::kTinyFragment;
    }
    if (piece.payload_bytes != piece.bytes) {
        return DropReason::kExtensionHeader;
    }
    const std::uint8_t type = header_at<IcmpHeader>(piece.payload).type;
    if (type != (is_v6 ? kIcmpv6EchoRequest : kIcmpEchoRequest)) {
        return DropReason::kIcmpType;
    }
    return answers_echo(context.snapshot, piece.key.destination) ? DropReason::kNone
                                                                 : DropReason::kEchoRefused;
}

void answer_piece(ForwardContext& context,
                  Packet& packet,
                  const Piece& piece,
                  bool is_v6,
                  Verdict& verdict) noexcept {
    if (!fits_port(context, piece, is_v6)) {
        verdict.reason = DropReason::kTooBig;
        return;
    }
    verdict.reason = DropReason::kEchoRefused;
    if (!may_reply(context, packet, ReplyKind::kEcho, verdict)) {
        return;
    }
    const EthernetHeader ethernet = header_at<EthernetHeader>(packet.data);
    const std::uint8_t* const ip = packet.data + sizeof(EthernetHeader);
    ReplyHeader header = echo_header(ip, piece.key.destination, piece.key.source, is_v6);
    if (piece.offset == 0) {
        turn_into_reply(header_at<IcmpHeader>(piece.payload), is_v6);
    }
    // The headers that came are at least as large as those that leave, so there is room for them.
    std::span<std::uint8_t> payload(piece.payload, piece.bytes);
    if (is_v6) {
        payload = {piece.payload - sizeof(FragmentHeader), piece.bytes + sizeof(FragmentHeader)};
        auto& fragment = header_at<FragmentHeader>(payload.data());
        fragment.next_header = kProtocolIcmpv6;
        fragment.reserved = 0;
        fragment.offset_and_more.set(
            Be16::from_raw(fragment.offset_and_more.get().raw() & kOffsetAndMore.raw()));
        header.protocol = kProtocolFragment;
    } else {
        header.fragment_bits = Be16::from_raw(
            header_at<Ipv4Header>(ip).flags_and_offset.get().raw() & kIpv4FragmentMask.raw());
    }
    send_reply(context, packet, ethernet, payload, header, verdict);
}

}  // namespace fairlead
