// DPDK's environment: started once a process, without devices, configuration files or helpers of
// its own. Devices are added one by one (port.h), so that each failure has its own words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dp/base/result.h"

namespace fairlead::engine {

struct EalOptions {
    bool uses_hugepages = false;
    std::uint64_t memory_bytes = 0;           // all that packets need
    std::vector<std::uint32_t> control_cpus;  // of every thread that is not a worker
    std::string run_dir;
};

// The command line for rte_eal_init(), its program's name first.
[[nodiscard]] std::vector<std::string> eal_arguments(const EalOptions& options);

// Starts it; DPDK's words go to the log from now on. Leaves the calling thread on the control CPUs.
// Call once a process, before any other thread runs.
[[nodiscard]] Status start_eal(const EalOptions& options);

}  // namespace fairlead::engine
