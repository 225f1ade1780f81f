// The fleet's flow-hash seed: 16 hexadecimal digits in a file, the same on every balancer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dp/base/result.h"

namespace fairlead::daemon {

// Reads it; makes a random one (mode 0640, whole or not at all) where the file is missing. A file
// that says something else is an error, never replaced: another seed moves every flow.
[[nodiscard]] Result<std::uint64_t> load_seed(const std::string& path);

// The number in the file's text: 1 to 16 hexadecimal digits, blanks around them.
[[nodiscard]] Result<std::uint64_t> parse_seed(std::string_view text);

}  // namespace fairlead::daemon
