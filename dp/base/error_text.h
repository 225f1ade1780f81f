// The words for an errno value, from any thread.
#pragma once

#include <cstring>
#include <string>

namespace fairlead {

// "No such file or directory" for ENOENT. strerror() may use one buffer for all threads.
[[nodiscard]] inline std::string error_text(int error) {
    const char* const text = ::strerrordesc_np(error);
    return text != nullptr ? text : "error " + std::to_string(error);
}

}  // namespace fairlead
