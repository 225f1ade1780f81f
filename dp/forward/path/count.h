// Last stage, the one exit: what became of each packet goes into the counters. Bytes are those of
// the frame as received.
#pragma once

#include <span>

#include "dp/forward/path/classify.h"
#include "dp/forward/pipeline.h"

namespace fairlead {

// The same as count_burst() for a burst of which every packet is forwarded to a backend, which is
// what most are.
void count_forwarded(WorkerCounters& counters,
                     std::span<const PacketFacts> facts,
                     std::span<const Verdict> verdicts) noexcept;

// Requires final verdicts, and facts of the same packets. Returns how many are held, and so not
// counted yet.
std::size_t count_burst(WorkerCounters& counters,
                        std::span<const PacketFacts> facts,
                        std::span<const Verdict> verdicts) noexcept;

}  // namespace fairlead
