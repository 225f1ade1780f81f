#include "ctl/health/closings.h"

#include <gtest/gtest.h>

namespace fairlead::health {
namespace {

using namespace std::chrono_literals;

TEST(Closings, AreBoundedInNumberAndWhereThisSideIsTheFirstInASecond) {
    Closings closings;
    Closings::Clock::time_point now{1h};
    for (std::size_t i = 0; i < Closings::kMaxFirstPerSecond; ++i) {
        ASSERT_TRUE(closings.begin(true, now));
        closings.end();
    }
    EXPECT_FALSE(closings.begin(true, now + 999ms));
    EXPECT_TRUE(closings.begin(false, now)) << "the server remembers that one";
    EXPECT_TRUE(closings.begin(true, now + 1s));
    now += 10s;
    while (closings.count() < Closings::kMaxAtATime) {
        ASSERT_TRUE(closings.begin(false, now));
    }
    EXPECT_FALSE(closings.begin(false, now));
    EXPECT_FALSE(closings.begin(true, now));
    closings.end();
    EXPECT_TRUE(closings.begin(true, now));
}

}  // namespace
}  // namespace fairlead::health
