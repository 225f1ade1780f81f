#include "ctl/agent/mss_clamp.h"

#include <gtest/gtest.h>

#include "tests/support/packets.h"

namespace fairlead::agent {
namespace {

TEST(MssLimits, AreTheMtuLessTheTunnelAndTheHeadersOfIpAndTcp) {
    const clamp_mss limits = mss_limits(1'500, 52, std::nullopt);
    EXPECT_EQ(limits.ipv4, 1'500 - 52 - 40);
    EXPECT_EQ(limits.ipv6, 1'500 - 52 - 60);
}

TEST(MssLimits, AnOperatorsIsThatOfIpv4) {
    const clamp_mss limits = mss_limits(1'500, 52, 1'200);
    EXPECT_EQ(limits.ipv4, 1'200);
    EXPECT_EQ(limits.ipv6, 1'180);
}

TEST(MssLimits, NoMtuMakesThemZeroWhichWouldMeanNoLimit) {
    for (const std::uint32_t mtu : {0U, 51U, 92U, 112U, 113U, 65'536U, 0xFFFF'FFFFU}) {
        const clamp_mss limits = mss_limits(mtu, 52, std::nullopt);
        EXPECT_GT(limits.ipv4, 0) << mtu;
        EXPECT_GT(limits.ipv6, 0) << mtu;
        EXPECT_LE(limits.ipv6, limits.ipv4);
    }
}

TEST(LargestOverhead, IsThatOfGueOverTheLargerOfTheBalancersFamilies) {
    Settings settings;
    settings.balancers = {{testing::address("10.0.1.2"), 32}};
    EXPECT_EQ(largest_overhead(settings), 32U);
    settings.balancers.push_back({testing::address("fd00:1::2"), 128});
    EXPECT_EQ(largest_overhead(settings), 52U);
}

}  // namespace
}  // namespace fairlead::agent
