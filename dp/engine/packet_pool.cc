#include "dp/engine/packet_pool.h"

#include <algorithm>
#include <bit>
#include <cerrno>

#include <fmt/format.h>

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>
#include <rte_memzone.h>

#include "dp/base/error_text.h"
#include "dp/engine/hugepages.h"
#include "dp/engine/packet_memory.h"

namespace fairlead::engine {
namespace {

constexpr std::uint32_t kPoolCache = 256;

struct Lent {
    std::uint16_t number;
    std::uint32_t count;
};

// Of rte_mempool_obj_iter(); past the cache of the calling thread, which would keep some.
void give_back(rte_mempool* pool, void* context, void* object, unsigned /*position*/) {
    auto& lent = *static_cast<Lent*>(context);
    auto* const packet = static_cast<rte_mbuf*>(object);
    if (packet->port == lent.number) {
        packet->port = RTE_MBUF_PORT_INVALID;
        rte_mbuf_refcnt_set(packet, 1);  // of a large one: its pieces on their way out
        rte_mempool_generic_put(pool, &object, 1, nullptr);
        ++lent.count;
    }
}

// What the pool's objects take in whole pages, and one more, as its part of the area may begin in
// the middle of a page. Negative: an errno.
std::int64_t bytes_for(const rte_mempool* pool, std::uint64_t page_bytes) {
    std::size_t chunk_bytes = 0;
    std::size_t alignment = 0;
    const ssize_t bytes = rte_mempool_op_calc_mem_size_default(
        pool,
        pool->size,
        static_cast<std::uint32_t>(std::countr_zero(page_bytes)),
        &chunk_bytes,
        &alignment);
    const std::uint64_t object_bytes = pool->header_size + pool->elt_size + pool->trailer_size;
    return bytes < 0 ? bytes
                     : static_cast<std::int64_t>(round_up(
                           static_cast<std::uint64_t>(bytes) + object_bytes, kUsualPageBytes));
}

// An empty pool; nullptr with rte_errno.
rte_mempool* make_empty(const std::string& name, const BufferCount& count) {
    rte_mempool* const pool =
        rte_mempool_create_empty(name.c_str(),
                                 count.buffers,
                                 static_cast<unsigned>(sizeof(rte_mbuf)) + count.buffer_bytes,
                                 std::min(kPoolCache, count.buffers / 8),
                                 sizeof(rte_pktmbuf_pool_private),
                                 SOCKET_ID_ANY,
                                 0);
    if (pool != nullptr &&
        rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), nullptr) == 0) {
        rte_pktmbuf_pool_private facts{};
        facts.mbuf_data_room_size = count.buffer_bytes;
        rte_pktmbuf_pool_init(pool, &facts);
    }
    return pool;
}

// Lays a pool over a part of the area. 0, or an errno.
int populate(rte_mempool* pool, std::span<std::byte> part) {
    auto* const start = static_cast<char*>(static_cast<void*>(part.data()));
    // DPDK runs with IO addresses that are virtual ones (eal.cc).
    const int populated = rte_mempool_populate_iova(
        pool, start, reinterpret_cast<rte_iova_t>(start), part.size(), nullptr, nullptr);
    if (populated < 0) {
        return -populated;
    }
    (void)rte_mempool_obj_iter(pool, rte_pktmbuf_init, nullptr);
    return static_cast<std::uint32_t>(populated) == pool->size ? 0 : ENOMEM;
}

// 0, or an errno.
int make(PacketPool& made,
         const std::string& name,
         const BufferCount& usual,
         const BufferCount& large,
         std::uint64_t page_bytes) {
    made.frame_bytes = static_cast<std::uint32_t>(sizeof(rte_mbuf)) + usual.buffer_bytes;
    made.pool = make_empty(name, usual);
    made.large = large.buffers == 0 ? nullptr : make_empty(name + "-large", large);
    if (made.pool == nullptr || (large.buffers != 0 && made.large == nullptr)) {
        return rte_errno;
    }
    const std::int64_t usual_bytes = bytes_for(made.pool, page_bytes);
    const std::int64_t large_bytes = made.large == nullptr ? 0 : bytes_for(made.large, page_bytes);
    if (usual_bytes < 0 || large_bytes < 0) {
        return static_cast<int>(-std::min(usual_bytes, large_bytes));
    }
    made.large_offset = static_cast<std::size_t>(usual_bytes);
    const rte_memzone* const zone =
        rte_memzone_reserve_aligned(name.c_str(),
                                    static_cast<std::size_t>(usual_bytes + large_bytes),
                                    SOCKET_ID_ANY,
                                    0,
                                    kUsualPageBytes);
    if (zone == nullptr) {
        return rte_errno;
    }
    made.area = {static_cast<std::byte*>(zone->addr), zone->len};
    int error = populate(made.pool, made.area.first(made.large_offset));
    if (error == 0 && made.large != nullptr) {
        error = populate(made.large, made.area.subspan(made.large_offset));
    }
    return error;
}

}  // namespace

Result<PacketPool> make_packet_pool(const std::string& name,
                                    const BufferCount& usual,
                                    const BufferCount& large,
                                    bool uses_hugepages) {
    PacketPool made;
    if (const int error =
            make(made, name, usual, large, uses_hugepages ? kHugePageBytes : kUsualPageBytes);
        error != 0) {
        return fail(
            fmt::format("cannot get {} packet buffers of {} bytes and {} of {} bytes for {}: {}; "
                        "free memory or huge pages, or use fewer CPUs or ports",
                        usual.buffers,
                        usual.buffer_bytes,
                        large.buffers,
                        large.buffer_bytes,
                        name,
                        error_text(error)));
    }
    return made;
}

std::uint32_t give_back_lent(const PacketPool& pool, std::uint16_t number) {
    Lent lent{.number = number, .count = 0};
    (void)rte_mempool_obj_iter(pool.pool, give_back, &lent);
    if (pool.large != nullptr) {
        (void)rte_mempool_obj_iter(pool.large, give_back, &lent);
    }
    return lent.count;
}

}  // namespace fairlead::engine
