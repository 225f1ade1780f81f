#include "dp/engine/away_scan.h"

#include <gtest/gtest.h>

#include "tests/support/lending_rig.h"

namespace fairlead::engine {
namespace {

using fairlead::testing::LendingRig;
using namespace std::chrono_literals;

// The rig's tables mirrored, and its flow table scanned.
class AwayScanTest : public ::testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(mirror_.follow(*rig_.context.tables, rig_.context.snapshot));
        scan_.note_change(now_);
    }
    // Until nothing is due for five seconds; how many passes that took.
    int run() {
        int passes = 0;
        for (const auto end = now_ + 5s; now_ < end; now_ += 2ms) {
            if (scan_.is_due(mirror_, now_)) {
                scan_.begin({rig_.buckets});
                ++passes;
            }
            scan_.step(mirror_, *rig_.context.tables, now_);
        }
        return passes;
    }
    void remember(std::uint64_t hash, std::uint16_t backend) {
        ASSERT_TRUE(rig_.flows->insert({hash, BackendIndex{backend}, 1, FlowState::kEstablished},
                                       FlowEvent::kData,
                                       FlowTick{1}));
    }

    LendingRig rig_{{}, 16'384};
    std::vector<steer_ring> rings_ = std::vector<steer_ring>(STEER_MAX_RINGS);
    std::vector<steer_backend> backends_ = std::vector<steer_backend>(STEER_MAX_BACKENDS);
    std::vector<steer_port> ports_ = std::vector<steer_port>(STEER_MAX_PORTS);
    AwayMirror mirror_{{.rings = rings_,
                        .backends = backends_,
                        .ports = ports_,
                        .put =
                            [](const steer_service_key&, const steer_service*) {
                                return Status{};
                            }},
                       {}};
    AwayScan scan_;
    AwayScan::Clock::time_point now_{1h};
};

TEST_F(AwayScanTest, ThreePassesSettleWhatNobodyStraysInAndNoneFollows) {
    EXPECT_EQ(run(), 3);
    EXPECT_TRUE(mirror_.is_settled());
    EXPECT_EQ(run(), 0);
    scan_.note_change(now_);
    EXPECT_EQ(run(), 3) << "to confirm what is settled";
}

TEST_F(AwayScanTest, AFlowOfAnotherBackendIsFoundWhereverItStands) {
    // In the portal's ring of 251 the even slots are backend 0's: the first slot's flow is 1's.
    for (const std::uint64_t low : {0ULL, 0x1234ULL, 0xFFFF'FFFFULL}) {
        remember(low, 1);
        scan_.note_change(now_);
        (void)run();
        EXPECT_FALSE(mirror_.is_settled()) << low;
        rig_.buckets = std::vector<shm::FlowBucket>(16'384);
        rig_.start();
        for (int late = 0; late < 3; ++late) {
            (void)run();
        }
        EXPECT_TRUE(mirror_.is_settled()) << low;
    }
}

TEST_F(AwayScanTest, FlowsThatStayAstrayAreLookedForSeldom) {
    remember(7, 1);
    (void)run();
    EXPECT_LE(run(), 2);
    EXPECT_FALSE(mirror_.is_settled());
}

}  // namespace
}  // namespace fairlead::engine
