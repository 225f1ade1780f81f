// How many packets go through the engine together.
#pragma once

#include <cstddef>

namespace fairlead {

// A worker asks a port for so many packets, and the stages of forward_burst() take so many at once:
// by the end of the first stage the flow entries that were asked for first have arrived, and what
// is kept of each packet fits beside them in L1.
inline constexpr std::size_t kBurstPackets = 32;

}  // namespace fairlead
