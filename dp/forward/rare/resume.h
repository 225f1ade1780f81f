// Back to the common stages: a packet that the fast classifier refused, and whose ports a rarer
// rule has found, is selected and rewritten as every other one.
#pragma once

#include "dp/flow/flow_hash.h"
#include "dp/forward/path/classify.h"
#include "dp/forward/path/select.h"
#include "dp/forward/pipeline.h"

namespace fairlead {

// Sets facts.service and verdict.service; false: there is no such service, and the verdict says so.
// Requires that `destination` is a VIP.
[[nodiscard]] bool find_service_late(const ForwardContext& context,
                                     const IpAddress& destination,
                                     TransportKey key,
                                     PacketFacts& facts,
                                     Verdict& verdict) noexcept;

// Backend and rewriting for one packet; the verdict is final. Requires facts of a packet with a
// service.
void resume(ForwardContext& context, Packet& packet, PacketFacts& facts, Verdict& verdict) noexcept;

// The two halves of resume(). `selection` is set where facts.service stays set.
void select_one(ForwardContext& context,
                const Packet& packet,
                PacketFacts& facts,
                Selection& selection,
                Verdict& verdict) noexcept;
void rewrite_one(const ForwardContext& context,
                 Packet& packet,
                 const PacketFacts& facts,
                 const Selection& selection,
                 Verdict& verdict) noexcept;

}  // namespace fairlead
