// Fourth stage: what the others refused, and a rarer rule still answers or forwards.
//
// The common path stays free of rare cases: a packet that needs one of them is refused there with
// its reason and unchanged, and is looked at again here. What no rule takes keeps its verdict.
#pragma once

#include <span>

#include "dp/forward/path/classify.h"
#include "dp/forward/pipeline.h"

namespace fairlead {

// Makes other verdicts of those drops that can be handled. All spans have one size.
void handle_exceptions(ForwardContext& context,
                       std::span<Packet> packets,
                       std::span<PacketFacts> facts,
                       std::span<Verdict> verdicts) noexcept;

}  // namespace fairlead
