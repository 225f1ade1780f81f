#include "dp/forward/rare/icmp.h"

#include <cstddef>

#include "dp/base/read_once.h"
#include "dp/flow/flow_hash.h"
#include "dp/forward/answers/echo.h"
#include "dp/forward/answers/neighbor.h"
#include "dp/forward/answers/reply.h"
#include "dp/forward/path/limit.h"
#include "dp/forward/path/rewrite.h"
#include "dp/forward/path/select.h"
#include "dp/net/checksum.h"
#include "dp/net/ip_view.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

// What every quote holds of the transport header: the ports are among it.
constexpr std::size_t kQuotedTransportBytes = 8;

enum class IcmpKind : std::uint8_t {
    kError,
    kEchoRequest,
    kSolicitation,
    kOther,
};

[[nodiscard]] IcmpKind kind_of(const IcmpHeader& icmp, bool is_v6) noexcept {
    if (is_v6) {
        if (icmp.type == kIcmpv6EchoRequest) {
            return IcmpKind::kEchoRequest;
        }
        if (icmp.type == kIcmpv6NeighborSolicitation) {
            return IcmpKind::kSolicitation;
        }
        return icmp.type < kIcmpv6FirstInformational ? IcmpKind::kError : IcmpKind::kOther;
    }
    switch (icmp.type) {
        case kIcmpEchoRequest:
            return IcmpKind::kEchoRequest;
        case kIcmpUnreachable:
        case kIcmpTimeExceeded:
        case kIcmpParameterProblem:
            return IcmpKind::kError;
        default:
            return IcmpKind::kOther;
    }
}

// Finds client, service and hash of the flow that `quote` is a packet of.
[[nodiscard]] DropReason read_quote(const shm::Snapshot& snapshot,
                                    std::span<const std::uint8_t> quote,
                                    const IpAddress& vip,
                                    IpAddress& client,
                                    PacketFacts& facts) noexcept {
    const auto view = view_ip(quote, facts.is_v6);
    if (!view || view->is_later_fragment || view->source != vip ||
        (view->protocol != kProtocolTcp && view->protocol != kProtocolUdp) ||
        quote.size() - view->header_bytes < kQuotedTransportBytes) {
        return DropReason::kBadIcmpQuote;
    }
    // TCP and UDP begin alike. The client is the quoted packet's destination.
    const auto& ports = header_at<UdpHeader>(quote.data() + view->header_bytes);
    const TransportKey key{ports.destination_port.get(), ports.source_port.get(), view->protocol};
    facts.hash =
        facts.is_v6
            ? flow_hash_v6(
                  snapshot.flow_hash_seed, view->destination.bytes(), view->source.bytes(), key)
            : flow_hash_v4(snapshot.flow_hash_seed, view->destination.v4(), view->source.v4(), key);
    client = view->destination;
    facts.service = snapshot.find_service(vip, key.destination_port, key.protocol);
    return facts.service != nullptr ? DropReason::kNone : DropReason::kNoService;
}

void forward_error(ForwardContext& context,
                   Packet& packet,
                   std::span<const std::uint8_t> quote,
                   const IpAddress& vip,
                   PacketFacts& facts,
                   Verdict& verdict) noexcept {
    IpAddress client;
    verdict.reason = read_quote(context.snapshot, quote, vip, client, facts);
    if (verdict.reason != DropReason::kNone) {
        return;
    }
    verdict.service = read_once(facts.service->id);
    if (!limit_one(context, client, facts, verdict)) {
        return;
    }
    Selection selection;
    const std::uint8_t* const client_bytes = client.bytes().data() + (facts.is_v6 ? 0 : 12);
    verdict.reason = select_related(context, facts, client_bytes, selection, verdict);
    if (verdict.reason != DropReason::kNone) {
        return;
    }
    rewrite_burst(context, {&packet, 1}, {&facts, 1}, {&selection, 1}, {&verdict, 1});
}

}  // namespace

bool has_right_icmp_checksum(const std::uint8_t* ip,
                             std::span<const std::uint8_t> message,
                             bool is_v6) noexcept {
    std::uint64_t sum = sum_bytes(message);
    if (is_v6) {
        sum += sum_pseudo_header(
            header_at<Ipv6Header>(ip), static_cast<std::uint32_t>(message.size()), kProtocolIcmpv6);
    }
    return fold_checksum(sum) == 0xFFFFU;
}

void handle_icmp(ForwardContext& context,
                 Packet& packet,
                 PacketFacts& facts,
                 Verdict& verdict) noexcept {
    const std::span<std::uint8_t> ip = ip_packet_of(packet, facts.is_v6);
    const auto view = view_ip(ip, facts.is_v6);
    if (!view || view->is_fragment ||
        view->protocol != (facts.is_v6 ? kProtocolIcmpv6 : kProtocolIcmp)) {
        return;
    }
    const std::span<std::uint8_t> message = ip.subspan(view->header_bytes);
    if (message.size() < sizeof(IcmpHeader)) {
        verdict.reason = DropReason::kTruncated;
        return;
    }
    facts.ip_bytes = static_cast<std::uint16_t>(ip.size());
    const IcmpKind kind = kind_of(header_at<IcmpHeader>(message.data()), facts.is_v6);
    if (kind == IcmpKind::kEchoRequest) {  // which may be long: its limit comes before its checksum
        answer_echo(context, packet, *view, message, verdict);
        return;
    }
    if (!has_right_icmp_checksum(ip.data(), message, facts.is_v6)) {
        verdict.reason = DropReason::kBadIcmpChecksum;
        return;
    }
    switch (kind) {
        case IcmpKind::kError:
            forward_error(context,
                          packet,
                          message.subspan(sizeof(IcmpHeader)),
                          view->destination,
                          facts,
                          verdict);
            return;
        case IcmpKind::kSolicitation:
            verdict.reason = DropReason::kBadNeighborQuestion;
            answer_neighbor(context, packet, verdict);
            return;
        case IcmpKind::kEchoRequest:
        case IcmpKind::kOther:
            verdict.reason = DropReason::kIcmpType;
            return;
    }
}

}  // namespace fairlead
