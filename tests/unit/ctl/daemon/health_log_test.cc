#include "ctl/daemon/health_log.h"

#include <gtest/gtest.h>

namespace fairlead::daemon {
namespace {

using model::Health;
using namespace std::chrono_literals;

const model::BackendKey kApp1{"portal", "app-1"};

class HealthLogTest : public testing::Test {
  protected:
    bool tells(Health health, const model::BackendKey& backend = kApp1) {
        const auto line = log_.note(backend, health, now_);
        untold_ = line ? line->untold : 0;
        return line.has_value();
    }

    HealthLog log_;
    HealthLog::Clock::time_point now_{1h};
    std::uint64_t untold_ = 0;
};

TEST_F(HealthLogTest, TellsEveryVerdict) {
    EXPECT_FALSE(tells(Health::kRising));
    EXPECT_TRUE(tells(Health::kUp));
    EXPECT_TRUE(tells(Health::kFalling)) << "the first sign of it";
    EXPECT_TRUE(tells(Health::kDown));
    EXPECT_FALSE(tells(Health::kRising)) << "within the minute";
    EXPECT_TRUE(tells(Health::kUp));
    EXPECT_EQ(untold_, 1U);
    EXPECT_TRUE(tells(Health::kDown, {"portal", "app-2"}));
}

TEST_F(HealthLogTest, TellsOfOneThatWaversOnceAMinute) {
    EXPECT_TRUE(tells(Health::kUp));
    int lines = 0;
    std::uint64_t untold = 0;
    for (int second = 0; second < 600; ++second, now_ += 1s) {
        for (const Health health : {Health::kFalling, Health::kUp}) {
            lines += tells(health) ? 1 : 0;
            untold += untold_;
        }
    }
    EXPECT_EQ(lines, 10);
    EXPECT_EQ(untold + 10, 600U * 2 - 119) << "all but those since the last line";
    EXPECT_TRUE(tells(Health::kDown)) << "a verdict is no wavering";
}

}  // namespace
}  // namespace fairlead::daemon
