#include "dp/forward/rare/exceptions.h"

#include "dp/forward/answers/icmp_error.h"
#include "dp/forward/answers/neighbor.h"
#include "dp/forward/answers/reject.h"
#include "dp/forward/fragments/fragment.h"
#include "dp/forward/rare/cut.h"
#include "dp/forward/rare/extension.h"
#include "dp/forward/rare/icmp.h"

namespace fairlead {

namespace {

// By the reason of the refusal.
void handle_exception(ForwardContext& context,
                      Packet& packet,
                      PacketFacts& facts,
                      Verdict& verdict) noexcept {
    switch (verdict.reason) {
        case DropReason::kFragment:
            if (!facts.is_v6) {
                forward_fragment_v4(context, packet, facts, verdict);
                return;
            }
            [[fallthrough]];
        case DropReason::kExtensionHeader:
            forward_past_extensions(context, packet, facts, verdict);
            return;
        case DropReason::kUnsupportedProtocol:
            handle_icmp(context, packet, facts, verdict);
            return;
        case DropReason::kNoService:
            answer_no_service(context, packet, facts, verdict);
            return;
        case DropReason::kBadNeighborQuestion:
            answer_neighbor(context, packet, verdict);
            return;
        default:
            return;
    }
}

// What has a service and a backend, but could not leave as it was.
void handle_unsendable(ForwardContext& context,
                       Packet& packet,
                       const PacketFacts& facts,
                       Verdict& verdict) noexcept {
    if (facts.service == nullptr) {  // a reply of our own
        return;
    }
    switch (verdict.reason) {
        case DropReason::kTooBig:
            cut_and_send(context, packet, facts, verdict);
            if (verdict.reason == DropReason::kTooBig) {
                answer_too_big(context, packet, facts, verdict);
            }
            return;
        case DropReason::kTtlExpired:
            answer_ttl_expired(context, packet, facts, verdict);
            return;
        default:
            return;
    }
}

}  // namespace

void handle_exceptions(ForwardContext& context,
                       std::span<Packet> packets,
                       std::span<PacketFacts> facts,
                       std::span<Verdict> verdicts) noexcept {
    for (std::size_t i = 0; i < packets.size(); ++i) {
        if (verdicts[i].action == Action::kDrop) [[unlikely]] {
            handle_exception(context, packets[i], facts[i], verdicts[i]);
            if (verdicts[i].action == Action::kDrop) {
                handle_unsendable(context, packets[i], facts[i], verdicts[i]);
            }
        }
    }
}

}  // namespace fairlead
