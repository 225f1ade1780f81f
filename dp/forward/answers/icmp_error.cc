#include "dp/forward/answers/icmp_error.h"

#include <algorithm>

#include "dp/base/read_once.h"
#include "dp/forward/answers/reply.h"
#include "dp/forward/path/tunnel.h"
#include "dp/net/checksum.h"
#include "dp/net/ip_view.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

// Both with all their headers.
constexpr std::size_t kMaxErrorBytesV4 = 576;
constexpr std::size_t kMaxErrorBytesV6 = 1'280;
// RFC 791, 3.2 and RFC 8200, 5: no link has less.
constexpr std::uint32_t kMinMtuV4 = 68;
constexpr std::uint32_t kMinMtuV6 = 1'280;
// "Internetwork control", as RFC 1812, 4.3.2.5 wants errors to be marked.
constexpr std::uint8_t kErrorTos = 0xC0;

struct ErrorMessage {
    ReplyKind kind = ReplyKind::kNone;
    std::uint8_t type = 0;
    std::uint8_t code = 0;
    std::uint32_t rest = 0;  // a next hop's MTU
    IpAddress source;
};

[[nodiscard]] std::size_t quoted_bytes(std::size_t ip_bytes, bool is_v6) noexcept {
    const std::size_t room = is_v6 ? kMaxErrorBytesV6 - sizeof(Ipv6Header) - sizeof(IcmpHeader)
                                   : kMaxErrorBytesV4 - sizeof(Ipv4Header) - sizeof(IcmpHeader);
    return std::min(ip_bytes, room);
}

void write_icmp(std::span<std::uint8_t> message,
                const ErrorMessage& error,
                const IpAddress& destination) noexcept {
    auto& icmp = header_at<IcmpHeader>(message.data());
    icmp = {};
    icmp.type = error.type;
    icmp.code = error.code;
    icmp.rest.set(Be32::from_host(error.rest));
    std::uint64_t sum = sum_bytes(message);
    if (!destination.is_v4()) {
        Ipv6Header pseudo;
        pseudo.source = error.source.bytes();
        pseudo.destination = destination.bytes();
        sum +=
            sum_pseudo_header(pseudo, static_cast<std::uint32_t>(message.size()), kProtocolIcmpv6);
    }
    icmp.checksum.set(Be16::from_raw(static_cast<std::uint16_t>(~fold_checksum(sum))));
}

// An error from `error.source` to the packet's sender; `view` is of the packet.
void send_error(ForwardContext& context,
                Packet& packet,
                const IpView& view,
                const ErrorMessage& error,
                Verdict& verdict) noexcept {
    const bool is_transport = view.protocol == kProtocolTcp || view.protocol == kProtocolUdp;
    if (!is_transport || view.is_later_fragment) {
        return;
    }
    const std::span<std::uint8_t> ip = ip_packet_of(packet, view.is_v6);
    if (!has_room(packet, ip.data(), sizeof(IcmpHeader), view.is_v6) ||
        !may_reply(context, packet, error.kind, verdict)) {
        return;
    }
    // Behind the Ethernet header, whose place the ICMP header takes.
    const EthernetHeader ethernet = header_at<EthernetHeader>(packet.data);
    const std::span<std::uint8_t> message(ip.data() - sizeof(IcmpHeader),
                                          sizeof(IcmpHeader) + quoted_bytes(ip.size(), view.is_v6));
    write_icmp(message, error, view.source);
    const ReplyHeader header{.kind = error.kind,
                             .source = error.source,
                             .destination = view.source,
                             .protocol = view.is_v6 ? kProtocolIcmpv6 : kProtocolIcmp,
                             .tos = view.is_v6 ? std::uint8_t{0} : kErrorTos};
    send_reply(context, packet, ethernet, message, header, verdict);
}

// The largest packet that the verdict's backend can be sent; 0: the tables do not say.
[[nodiscard]] std::uint32_t mtu_to_backend(const ForwardContext& context,
                                           const PacketFacts& facts,
                                           BackendIndex backend) noexcept {
    const shm::BackendRecord* const record = context.tables->backend(backend);
    if (record == nullptr) {
        return 0;
    }
    // Pairs with the daemon's release store (tables.h, whole-words).
    const shm::BackendWord word(record->word.load(std::memory_order_acquire));
    if (to_number(word.port()) >= context.snapshot.port_count) {
        return 0;
    }
    const std::uint32_t mtu =
        path_mtu(context.snapshot.header->ports[to_number(word.port())], *record);
    const IpAddress address = record->address;
    const std::uint32_t overhead =
        tunnel_overhead(read_once(facts.service->mode), !address.is_v4());
    return mtu > overhead ? mtu - overhead : 0;
}

}  // namespace

void answer_too_big(ForwardContext& context,
                    Packet& packet,
                    const PacketFacts& facts,
                    Verdict& verdict) noexcept {
    const std::span<const std::uint8_t> ip = ip_packet_of(packet, facts.is_v6);
    const auto view = view_ip(ip, facts.is_v6);
    const std::uint32_t mtu = mtu_to_backend(context, facts, verdict.backend);
    if (!view || mtu < kMinMtuV4) {
        return;
    }
    ErrorMessage error{.kind = ReplyKind::kTooBig, .source = view->destination};
    if (facts.is_v6) {
        error.type = kIcmpv6PacketTooBig;
        error.rest = std::max(mtu, kMinMtuV6);
    } else {
        const Be16 flags = header_at<Ipv4Header>(ip.data()).flags_and_offset.get();
        if ((flags.raw() & kIpv4DontFragment.raw()) == 0) {
            return;
        }
        error.type = kIcmpUnreachable;
        error.code = kIcmpCodeFragmentationNeeded;
        error.rest = std::min(mtu, 65'535U);
    }
    // An MTU that the packet keeps already would be asked for again and again.
    if (ip.size() > error.rest) {
        send_error(context, packet, *view, error, verdict);
    }
}

void answer_ttl_expired(ForwardContext& context,
                        Packet& packet,
                        const PacketFacts& facts,
                        Verdict& verdict) noexcept {
    const auto view = view_ip(ip_packet_of(packet, facts.is_v6), facts.is_v6);
    const std::uint32_t port = to_number(context.receiving_port);
    if (!view || port >= context.snapshot.port_count) {
        return;
    }
    const shm::PortRecord& record = context.snapshot.header->ports[port];
    const IpAddress own = facts.is_v6 ? record.tunnel_source_v6 : record.tunnel_source_v4;
    const bool has_own = own != IpAddress{} && own.is_v4() != facts.is_v6;
    const ErrorMessage error{.kind = ReplyKind::kTimeExceeded,
                             .type = facts.is_v6 ? kIcmpv6TimeExceeded : kIcmpTimeExceeded,
                             .source = has_own ? own : view->destination};
    send_error(context, packet, *view, error, verdict);
}

void answer_port_unreachable(ForwardContext& context,
                             Packet& packet,
                             const PacketFacts& facts,
                             Verdict& verdict) noexcept {
    const auto view = view_ip(ip_packet_of(packet, facts.is_v6), facts.is_v6);
    if (!view) {
        return;
    }
    const ErrorMessage error{.kind = ReplyKind::kUnreachable,
                             .type = facts.is_v6 ? kIcmpv6Unreachable : kIcmpUnreachable,
                             .code = facts.is_v6 ? kIcmpv6CodePort : kIcmpCodePort,
                             .source = view->destination};
    send_error(context, packet, *view, error, verdict);
}

}  // namespace fairlead
