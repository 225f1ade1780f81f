// A tcpdump expression to a program that the engine runs. The one place that knows libpcap.
#pragma once

#include <string>
#include <vector>

#include "dp/base/result.h"
#include "dp/net/classic_bpf.h"

namespace fairlead::capture {

// An empty expression gives an empty program, which matches all. Error: libpcap's own words, or a
// program that is too long. Names of hosts in it are looked up.
[[nodiscard]] Result<std::vector<FilterInstruction>> compile_filter(const std::string& expression);

}  // namespace fairlead::capture
