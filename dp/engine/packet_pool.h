// A worker's packet buffers: a DPDK pool over one area of memory that a kernel can be given as a
// whole.
//
// DPDK places a pool's objects in pieces of memory as it finds them. AF_XDP wants one area, and
// loses, in silence and for good, every buffer that lies outside of it. So the area comes first,
// and the pool is laid over it; in memory of usual pages no buffer crosses a page's end, as a NIC
// that shares the buffers could not follow it there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "dp/base/result.h"

struct rte_mempool;

namespace fairlead::engine {

struct PacketPool {
    rte_mempool* pool = nullptr;
    std::span<std::byte> area;      // starts at a page
    std::uint32_t frame_bytes = 0;  // an rte_mbuf and its data room
};

// `buffers` of `buffer_bytes` of data room each, headroom among them. It lives as long as the
// process. Error: out of memory.
[[nodiscard]] Result<PacketPool> make_packet_pool(const std::string& name,
                                                  std::uint32_t buffers,
                                                  std::uint16_t buffer_bytes,
                                                  bool uses_hugepages);

// Gives every buffer back to the pool that carries `number` in rte_mbuf::port, and returns how many
// there were. Requires that nobody else has them: neither the kernel nor a worker. Control thread.
std::uint32_t give_back_lent(const PacketPool& pool, std::uint16_t number);

}  // namespace fairlead::engine
