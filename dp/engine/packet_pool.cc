#include "dp/engine/packet_pool.h"

#include <bit>

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
        rte_mempool_generic_put(pool, &object, 1, nullptr);
        ++lent.count;
    }
}

// Lays the pool over one area. 0, or what is wrong.
int populate(PacketPool& made, std::uint64_t page_bytes) {
    rte_mempool* const pool = made.pool;
    std::size_t chunk_bytes = 0;
    std::size_t alignment = 0;
    const ssize_t bytes = rte_mempool_op_calc_mem_size_default(
        pool,
        pool->size,
        static_cast<std::uint32_t>(std::countr_zero(page_bytes)),
        &chunk_bytes,
        &alignment);
    if (bytes < 0) {
        return static_cast<int>(-bytes);
    }
    // One object more than fits into whole pages, as the area begins in the middle of one.
    const std::uint64_t object_bytes = pool->header_size + pool->elt_size + pool->trailer_size;
    const rte_memzone* const zone = rte_memzone_reserve_aligned(
        pool->name,
        round_up(static_cast<std::uint64_t>(bytes) + object_bytes, kUsualPageBytes),
        SOCKET_ID_ANY,
        0,
        kUsualPageBytes);
    if (zone == nullptr) {
        return rte_errno;
    }
    made.area = {static_cast<std::byte*>(zone->addr), zone->len};
    const int populated = rte_mempool_populate_iova(
        pool, static_cast<char*>(zone->addr), zone->iova, zone->len, nullptr, nullptr);
    if (populated < 0) {
        return -populated;
    }
    return static_cast<std::uint32_t>(populated) == pool->size ? 0 : ENOMEM;
}

}  // namespace

Result<PacketPool> make_packet_pool(const std::string& name,
                                    std::uint32_t buffers,
                                    std::uint16_t buffer_bytes,
                                    bool uses_hugepages) {
    PacketPool made;
    made.frame_bytes = static_cast<std::uint32_t>(sizeof(rte_mbuf)) + buffer_bytes;
    made.pool = rte_mempool_create_empty(name.c_str(),
                                         buffers,
                                         made.frame_bytes,
                                         kPoolCache,
                                         sizeof(rte_pktmbuf_pool_private),
                                         SOCKET_ID_ANY,
                                         0);
    int error = made.pool == nullptr ? rte_errno : 0;
    if (error == 0) {
        error = -rte_mempool_set_ops_byname(made.pool, rte_mbuf_best_mempool_ops(), nullptr);
    }
    if (error == 0) {
        rte_pktmbuf_pool_private facts{};
        facts.mbuf_data_room_size = buffer_bytes;
        rte_pktmbuf_pool_init(made.pool, &facts);
        error = populate(made, uses_hugepages ? kHugePageBytes : kUsualPageBytes);
    }
    if (error != 0) {
        return fail(
            fmt::format("cannot get {} packet buffers of {} bytes for {}: {}; "
                        "free memory or huge pages, or use fewer CPUs or ports",
                        buffers,
                        buffer_bytes,
                        name,
                        error_text(error)));
    }
    (void)rte_mempool_obj_iter(made.pool, rte_pktmbuf_init, nullptr);
    return made;
}

std::uint32_t give_back_lent(const PacketPool& pool, std::uint16_t number) {
    Lent lent{.number = number, .count = 0};
    (void)rte_mempool_obj_iter(pool.pool, give_back, &lent);
    return lent.count;
}

}  // namespace fairlead::engine
