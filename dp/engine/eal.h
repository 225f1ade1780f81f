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
};

// The command line for rte_eal_init(), its program's name first.
[[nodiscard]] std::vector<std::string> eal_arguments(const EalOptions& options);

// Names the directory in which DPDK may make one of its own, which would else be /var/run. Before
// any other thread runs.
void set_eal_environment(const std::string& run_dir);

// Starts it; DPDK's words go to the log from now on. Leaves the calling thread on the control CPUs.
// Measures the TSC for 100 ms where the CPU does not name its frequency. Call once a process.
[[nodiscard]] Status start_eal(const EalOptions& options);

}  // namespace fairlead::engine
