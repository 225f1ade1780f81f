// The unit in which cores fight over memory.
#pragma once

#include <cstddef>

namespace fairlead {

// x86-64 and the common AArch64 servers. Not std::hardware_destructive_interference_size: that one
// varies with compiler flags, and this value is part of the shared-memory layout.
inline constexpr std::size_t kCacheLineBytes = 64;

}  // namespace fairlead
