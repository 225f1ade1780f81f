// The packet buffers: one pool a worker, sized for what its ports' rings can hold at once.
#pragma once

#include <cstdint>
#include <vector>

#include "dp/base/result.h"
#include "dp/engine/packet_pool.h"

namespace fairlead::engine {

// The largest IP packet that fits into one AF_XDP frame: a page, less what DPDK and the kernel keep
// in front of the packet. Larger ones come in several frames, where the kernel has that (6.6).
inline constexpr std::uint32_t kMaxFrameMtuBytes = 3'400;
inline constexpr std::uint32_t kMaxInterfaceMtuBytes = 9'216;

inline constexpr std::uint64_t kUsualPageBytes = 4'096;
inline constexpr std::uint64_t kHugePageBytes = 2U << 20U;

struct PacketMemory {
    std::uint32_t buffers_per_worker = 0;
    std::uint16_t buffer_bytes = 0;  // data room, with headroom
    BufferCount large;  // for packets of several frames; none where no interface takes such
    std::uint32_t mtu_limit_bytes = 0;  // of an interface whose packets fit
    // Of all workers' pools and DPDK's own needs. In huge pages buffers lie one after the other; in
    // the kernel's usual ones none crosses a page's end.
    std::uint64_t huge_page_bytes = 0;
    std::uint64_t usual_page_bytes = 0;
};

// The largest MTUs of all ports, by kind; 0: there is no such port.
struct LargestMtu {
    std::uint32_t vdev_bytes = 0;
    std::uint32_t interface_bytes = 0;
};

// For as many ports as there will be.
[[nodiscard]] PacketMemory plan_packet_memory(std::uint32_t workers,
                                              std::uint32_t ports,
                                              const LargestMtu& mtu);

// One pool a worker. They live as long as the process. Error: out of memory.
[[nodiscard]] Result<std::vector<PacketPool>> make_packet_pools(const PacketMemory& plan,
                                                                std::uint32_t workers,
                                                                bool uses_hugepages);

}  // namespace fairlead::engine
