// Backends whose last check came to nothing through this host's own fault.
#pragma once

#include <string>

#include "ctl/health/check_thread.h"

namespace fairlead::daemon {

// How many, and why, in a sentence; "": every check says something about its backend.
[[nodiscard]] std::string not_checked(health::CheckThread& checker);

}  // namespace fairlead::daemon
