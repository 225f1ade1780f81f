// A worker's packet buffers: a DPDK pool over one area of memory that a kernel can be given as a
// whole.
//
// DPDK places a pool's objects in pieces of memory as it finds them. AF_XDP wants one area, and
// loses, in silence and for good, every buffer that lies outside of it. So the area comes first,
// and the pool is laid over it; in memory of usual pages no buffer crosses a page's end, as a NIC
// that shares the buffers could not follow it there.
//
// Where an interface takes packets larger than such a buffer, a second pool of large buffers lies
// behind the first one in the same area. Nothing is received into these; the pieces of a large
// packet are put together in one, so that everybody else sees packets in one piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "dp/base/result.h"

struct rte_mempool;

namespace fairlead::engine {

// Buffers of one size; the data room has the headroom in it.
struct BufferCount {
    std::uint32_t buffers = 0;
    std::uint16_t buffer_bytes = 0;
};

struct PacketPool {
    rte_mempool* pool = nullptr;
    rte_mempool* large = nullptr;   // nullptr: there are no large packets
    std::span<std::byte> area;      // starts at a page; the large buffers come last
    std::size_t large_offset = 0;   // where they begin
    std::uint32_t frame_bytes = 0;  // of `pool`: an rte_mbuf and its data room
};

// No `large` buffers where the count is 0. It lives as long as the process. Error: out of memory.
[[nodiscard]] Result<PacketPool> make_packet_pool(const std::string& name,
                                                  const BufferCount& usual,
                                                  const BufferCount& large,
                                                  bool uses_hugepages);

// Gives every buffer back to its pool that carries `number` in rte_mbuf::port (xdp_socket.h,
// lent-number), and returns how many there were. Requires that nobody else has them: neither the
// kernel nor a worker. Control thread.
std::uint32_t give_back_lent(const PacketPool& pool, std::uint16_t number);

}  // namespace fairlead::engine
