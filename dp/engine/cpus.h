// The CPUs that this process may use, and pinning to them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dp/base/result.h"

namespace fairlead::engine {

// In rising order. Empty only if the kernel refuses to tell.
[[nodiscard]] std::vector<std::uint32_t> allowed_cpus();

// Error: one of `wanted` is not among `allowed`, or stands there twice.
[[nodiscard]] Status check_cpus(const std::vector<std::uint32_t>& wanted,
                                const std::vector<std::uint32_t>& allowed);

// "0-3,6" for 0, 1, 2, 3, 6. Requires rising order.
[[nodiscard]] std::string describe_cpus(const std::vector<std::uint32_t>& cpus);

// Pins the calling thread.
[[nodiscard]] Status pin_to(const std::vector<std::uint32_t>& cpus);

// Where the control thread belongs: beside the workers if there is room, else anywhere.
[[nodiscard]] std::vector<std::uint32_t> control_cpus(const std::vector<std::uint32_t>& workers,
                                                      const std::vector<std::uint32_t>& allowed);

}  // namespace fairlead::engine
