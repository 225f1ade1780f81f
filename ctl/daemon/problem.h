// What an operator should know, and whether packets are lost by it.
#pragma once

#include <string>

namespace fairlead::daemon {

struct Problem {
    std::string sentence;
    bool is_critical = false;  // nothing, or not all that should be, is forwarded while it lasts
};

}  // namespace fairlead::daemon
