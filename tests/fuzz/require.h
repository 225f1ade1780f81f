// How a fuzz target says that something is broken.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace fairlead::testing {

// `wrong`: nullptr, or what is broken.
inline void require_nothing(const char* wrong) {
    if (wrong != nullptr) {
        static_cast<void>(std::fprintf(stderr, "broken promise: %s\n", wrong));
        std::abort();
    }
}

}  // namespace fairlead::testing
