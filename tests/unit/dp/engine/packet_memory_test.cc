#include "dp/engine/packet_memory.h"

#include <gtest/gtest.h>

namespace fairlead::engine {
namespace {

// AF_XDP receives behind 384 bytes of headroom, and fills 2,048 buffers a queue before the first
// packet; as many may be on their way out.
constexpr std::uint32_t kHeadroom = 384;
constexpr std::uint32_t kEthernet = 18;

TEST(PacketMemory, HoldsALargestPacketInOneBuffer) {
    for (const std::uint32_t mtu : {1'500U, 1'600U, 1'774U, 1'775U, 2'000U, kMaxFrameMtuBytes}) {
        EXPECT_GE(plan_packet_memory(1, 1, {.interface_bytes = mtu}).buffer_bytes,
                  kHeadroom + kEthernet + mtu);
    }
}

TEST(PacketMemory, KeepsAnAfXdpFrameWithinAPage) {
    constexpr std::uint32_t kPage = 4'096;
    constexpr std::uint32_t kPoolHeaderAndMbuf = 64 + 128;
    EXPECT_LE(plan_packet_memory(1, 1, {.interface_bytes = kMaxInterfaceMtuBytes}).buffer_bytes +
                  kPoolHeaderAndMbuf,
              kPage);
}

TEST(PacketMemory, HasLargeBuffersOnlyWhereAnInterfaceTakesLargePackets) {
    EXPECT_EQ(plan_packet_memory(1, 1, {.interface_bytes = kMaxFrameMtuBytes}).large.buffers, 0);
    EXPECT_EQ(plan_packet_memory(1, 1, {.vdev_bytes = 9'000}).large.buffers, 0);
    const PacketMemory plan = plan_packet_memory(1, 1, {.interface_bytes = 9'000});
    EXPECT_GE(plan.large.buffer_bytes, 128 + kEthernet + kMaxInterfaceMtuBytes);
    EXPECT_EQ(plan.mtu_limit_bytes, kMaxInterfaceMtuBytes);
}

TEST(PacketMemory, HasBuffersForTheRingsOfEveryPort) {
    for (const std::uint32_t ports : {1U, 2U, 16U}) {
        EXPECT_GE(plan_packet_memory(2, ports, {.interface_bytes = 1'500}).buffers_per_worker,
                  ports * 2 * 2'048);
    }
}

TEST(PacketMemory, GrowsWithTheWorkers) {
    const std::uint64_t one = plan_packet_memory(1, 1, {.interface_bytes = 1'500}).huge_page_bytes;
    const std::uint64_t eight =
        plan_packet_memory(8, 1, {.interface_bytes = 1'500}).huge_page_bytes;
    EXPECT_GE(eight - one, std::uint64_t{7} * 4'096 * 2'176);
}

TEST(PacketMemory, LeavesTheRestOfAUsualPageUnused) {
    for (const std::uint32_t ports : {1U, 2U, 16U}) {
        const PacketMemory plan = plan_packet_memory(2, ports, {.interface_bytes = 1'500});
        EXPECT_GE(plan.usual_page_bytes, std::uint64_t{2} * plan.buffers_per_worker * 4'096);
    }
}

}  // namespace
}  // namespace fairlead::engine
