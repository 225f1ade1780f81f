#include "dp/forward/rare/resume.h"

#include "dp/base/read_once.h"
#include "dp/forward/path/rewrite.h"

namespace fairlead {

bool find_service_late(const ForwardContext& context,
                       const IpAddress& destination,
                       TransportKey key,
                       PacketFacts& facts,
                       Verdict& verdict) noexcept {
    facts.service = context.snapshot.find_service(destination, key.destination_port, key.protocol);
    if (facts.service == nullptr) {
        verdict.reason = DropReason::kNoService;
        return false;
    }
    verdict.service = read_once(facts.service->id);
    return true;
}

void select_one(ForwardContext& context,
                const Packet& packet,
                PacketFacts& facts,
                Selection& selection,
                Verdict& verdict) noexcept {
    verdict.reason = DropReason::kNone;
    select_burst(context, {&packet, 1}, {&facts, 1}, {&selection, 1}, {&verdict, 1});
}

void rewrite_one(const ForwardContext& context,
                 Packet& packet,
                 const PacketFacts& facts,
                 const Selection& selection,
                 Verdict& verdict) noexcept {
    verdict.reason = DropReason::kNone;
    rewrite_burst(context, {&packet, 1}, {&facts, 1}, {&selection, 1}, {&verdict, 1});
}

void resume(ForwardContext& context,
            Packet& packet,
            PacketFacts& facts,
            Verdict& verdict) noexcept {
    Selection selection;
    select_one(context, packet, facts, selection, verdict);
    if (facts.service != nullptr) {
        rewrite_one(context, packet, facts, selection, verdict);
    }
}

}  // namespace fairlead
