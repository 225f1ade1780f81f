// What the kernel must allow before ports on its interfaces can be opened.
#pragma once

#include "dp/base/result.h"

namespace fairlead::engine {

// Error: a capability that AF_XDP needs is missing, by name. Lifts the limit on locked memory,
// which AF_XDP's packet buffers count against.
[[nodiscard]] Status prepare_for_interfaces();

}  // namespace fairlead::engine
