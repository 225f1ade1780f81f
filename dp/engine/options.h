// What the engine is told to do, by [engine] and [[port]] of the configuration and the command
// line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fairlead::engine {

enum class HugePageUse : std::uint8_t {
    kAuto,      // if there are enough, else without
    kRequired,  // an error where there are not
    kNone,
};

enum class Idle : std::uint8_t {
    kSpin,   // poll on: the lowest latency, a core for each worker
    kYield,  // sleep a little when nothing came (worker.cc)
};

struct PortOptions {
    std::string name;
    std::string interface;        // exactly one of interface and vdev is set
    std::string vdev;             // as DPDK's --vdev takes it
    std::uint32_t mtu_bytes = 0;  // 0: the interface's, or 1,500
    std::uint16_t vlan = 0;       // of an interface's VIP traffic; 0: untagged
};

struct Options {
    std::string run_dir;
    std::string version;
    std::vector<std::uint32_t> cpus;  // one pinned worker each
    HugePageUse hugepages = HugePageUse::kAuto;
    Idle idle = Idle::kSpin;
    std::uint64_t flows = 0;  // tracked flows, all workers together
    std::vector<PortOptions> ports;
};

}  // namespace fairlead::engine
