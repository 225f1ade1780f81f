#include "dp/engine/packet_pool.h"

#include <cstdint>
#include <set>
#include <vector>

#include <gtest/gtest.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dp/engine/packet_memory.h"
#include "tests/unit/dp/engine/test_eal.h"

namespace fairlead::engine {
namespace {

constexpr std::uint32_t kBuffers = 1'023;
constexpr std::uint16_t kBufferBytes = 2'176;
constexpr std::uint16_t kNumber = 0x8001;

// Without huge pages, as unit tests run.
PacketPool make(const char* name) {
    start_test_eal();
    Result<PacketPool> pool = make_packet_pool(name, {kBuffers, kBufferBytes}, {}, false);
    EXPECT_TRUE(pool) << pool.error().message;
    return *pool;
}

std::vector<rte_mbuf*> take_all(const PacketPool& pool) {
    std::vector<rte_mbuf*> taken;
    while (rte_mbuf* const packet = rte_pktmbuf_alloc(pool.pool)) {
        taken.push_back(packet);
    }
    return taken;
}

void give_all(const std::vector<rte_mbuf*>& packets) {
    for (rte_mbuf* const packet : packets) {
        rte_pktmbuf_free(packet);
    }
}

TEST(PacketPool, HasEveryBufferInItsAreaAndNoneAcrossAPage) {
    const PacketPool pool = make("area");
    const auto start = reinterpret_cast<std::uintptr_t>(pool.area.data());
    EXPECT_EQ(start % kUsualPageBytes, 0);
    const std::vector<rte_mbuf*> packets = take_all(pool);
    EXPECT_EQ(packets.size(), kBuffers);
    for (const rte_mbuf* const packet : packets) {
        const std::uintptr_t first = reinterpret_cast<std::uintptr_t>(packet);
        const std::uintptr_t last = first + pool.frame_bytes - 1;
        EXPECT_GE(first, start);
        EXPECT_LT(last, start + pool.area.size());
        EXPECT_EQ(first / kUsualPageBytes, last / kUsualPageBytes);
        EXPECT_EQ(rte_pktmbuf_data_room_size(pool.pool), kBufferBytes);
    }
    give_all(packets);
}

TEST(PacketPool, GetsBackWhatIsLentUnderANumberAndNothingElse) {
    const PacketPool pool = make("lent");
    std::vector<rte_mbuf*> packets = take_all(pool);
    ASSERT_EQ(packets.size(), kBuffers);
    for (std::size_t i = 0; i < packets.size(); ++i) {
        packets[i]->port = i < 700 ? kNumber : kNumber + 1;
    }
    EXPECT_EQ(give_back_lent(pool, kNumber), 700);
    EXPECT_EQ(give_back_lent(pool, kNumber), 0) << "once";
    EXPECT_EQ(rte_mempool_avail_count(pool.pool), 700);
    const std::vector<rte_mbuf*> again = take_all(pool);
    EXPECT_EQ(std::set<rte_mbuf*>(again.begin(), again.end()),
              std::set<rte_mbuf*>(packets.begin(), packets.begin() + 700));
    give_all(again);
    give_all({packets.begin() + 700, packets.end()});
}

}  // namespace
}  // namespace fairlead::engine
