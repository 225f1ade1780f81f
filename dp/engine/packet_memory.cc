#include "dp/engine/packet_memory.h"

#include <algorithm>

#include <fmt/format.h>

#include <rte_mbuf.h>

#include "dp/engine/hugepages.h"

namespace fairlead::engine {
namespace {

// An AF_XDP socket owns 2,048 buffers to receive into, and up to 2,048 on their way out.
constexpr std::uint32_t kBuffersPerQueue = 4'096;
// Those in the worker's hands and in the pool's cache. A pool of a power of two less one wastes
// least.
constexpr std::uint32_t kBuffersInFlight = 1'023;
// Packets of several frames that a worker has in its hands or on their way out.
constexpr std::uint32_t kLargeBuffers = 1'023;
constexpr std::uint32_t kUsualMtuBytes = 1'500;
// In front of the packet: DPDK's headroom and the kernel's own for XDP; Ethernet with two tags; and
// the outer header that may come before it.
constexpr std::uint32_t kXdpHeadroomBytes = 256;
constexpr std::uint32_t kEthernetBytes = 22;
constexpr std::uint32_t kOwnBytes =
    64 + sizeof(rte_mbuf) + 64;                    // of an object beside its data room
constexpr std::uint64_t kOtherBytes = 24U << 20U;  // DPDK's devices and tables

// What objects take if none crosses the end of a page, unless it is larger than one.
constexpr std::uint64_t within_pages(std::uint64_t objects, std::uint64_t object_bytes) {
    const std::uint64_t per_page = std::max<std::uint64_t>(kUsualPageBytes / object_bytes, 1);
    const std::uint64_t pages = (objects + per_page - 1) / per_page;
    return pages * round_up(per_page * object_bytes, kUsualPageBytes);
}

}  // namespace

PacketMemory plan_packet_memory(std::uint32_t workers, std::uint32_t ports, const LargestMtu& mtu) {
    PacketMemory plan;
    plan.buffers_per_worker = ports * kBuffersPerQueue + kBuffersInFlight;
    const std::uint64_t needed =
        RTE_PKTMBUF_HEADROOM + kXdpHeadroomBytes + kEthernetBytes +
        std::max(
            {mtu.vdev_bytes, std::min(mtu.interface_bytes, kMaxFrameMtuBytes), kUsualMtuBytes});
    std::uint64_t large_bytes = 0;
    if (mtu.interface_bytes > kMaxFrameMtuBytes) {
        plan.large = {kLargeBuffers,
                      static_cast<std::uint16_t>(round_up(
                          RTE_PKTMBUF_HEADROOM + kEthernetBytes + kMaxInterfaceMtuBytes, 64))};
        large_bytes =
            round_up((kLargeBuffers + std::uint64_t{1}) * (plan.large.buffer_bytes + kOwnBytes) +
                         kHugePageBytes,
                     kHugePageBytes);
    }
    plan.buffer_bytes = static_cast<std::uint16_t>(
        std::min(round_up(std::max<std::uint64_t>(needed, RTE_MBUF_DEFAULT_BUF_SIZE), 64),
                 std::uint64_t{UINT16_MAX} / 64 * 64));
    const std::uint64_t object_bytes = plan.buffer_bytes + kOwnBytes;
    plan.mtu_limit_bytes = plan.large.buffers != 0 ? kMaxInterfaceMtuBytes
                                                   : plan.buffer_bytes - RTE_PKTMBUF_HEADROOM -
                                                         kXdpHeadroomBytes - kEthernetBytes;
    // A pool's area begins anywhere in a page and ends anywhere in another.
    const std::uint64_t pool = plan.buffers_per_worker * object_bytes + kHugePageBytes;
    plan.huge_page_bytes = round_up(workers * (pool + large_bytes) + kOtherBytes, kHugePageBytes);
    plan.usual_page_bytes =
        round_up(workers * (within_pages(plan.buffers_per_worker + 1, object_bytes) + large_bytes) +
                     kOtherBytes,
                 kHugePageBytes);
    return plan;
}

Result<std::vector<PacketPool>> make_packet_pools(const PacketMemory& plan,
                                                  std::uint32_t workers,
                                                  bool uses_hugepages) {
    std::vector<PacketPool> pools;
    for (std::uint32_t worker = 0; worker < workers; ++worker) {
        Result<PacketPool> pool = make_packet_pool(fmt::format("worker-{}", worker),
                                                   {plan.buffers_per_worker, plan.buffer_bytes},
                                                   plan.large,
                                                   uses_hugepages);
        if (!pool) {
            return Unexpected{pool.error()};
        }
        pools.push_back(*pool);
    }
    return pools;
}

}  // namespace fairlead::engine
