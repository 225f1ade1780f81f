// The packet buffers: one pool a worker, sized for what its ports' rings can hold at once.
#pragma once

#include <cstdint>
#include <vector>

#include "dp/base/result.h"
#include "dp/engine/packet_pool.h"

namespace fairlead::engine {

// The largest IP packet that fits into an AF_XDP frame: a page, less what DPDK and the kernel keep
// in front of the packet.
inline constexpr std::uint32_t kMaxInterfaceMtuBytes = 3'400;

inline constexpr std::uint64_t kUsualPageBytes = 4'096;
inline constexpr std::uint64_t kHugePageBytes = 2U << 20U;

struct PacketMemory {
    std::uint32_t buffers_per_worker = 0;
    std::uint16_t buffer_bytes = 0;     // data room, with headroom
    std::uint32_t mtu_limit_bytes = 0;  // of an interface whose packets fit
    // Of all workers' pools and DPDK's own needs. In huge pages buffers lie one after the other; in
    // the kernel's usual ones none crosses a page's end.
    std::uint64_t huge_page_bytes = 0;
    std::uint64_t usual_page_bytes = 0;
};

// Requires mtu_bytes, the largest of all ports, and as many ports as there will be.
[[nodiscard]] PacketMemory plan_packet_memory(std::uint32_t workers,
                                              std::uint32_t ports,
                                              std::uint32_t mtu_bytes);

// One pool a worker. They live as long as the process. Error: out of memory.
[[nodiscard]] Result<std::vector<PacketPool>> make_packet_pools(const PacketMemory& plan,
                                                                std::uint32_t workers,
                                                                bool uses_hugepages);

}  // namespace fairlead::engine
