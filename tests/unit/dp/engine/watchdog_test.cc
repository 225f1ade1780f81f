#include "dp/engine/watchdog.h"

#include <array>

#include <gtest/gtest.h>

namespace fairlead::engine {
namespace {

using namespace std::chrono_literals;

class WatchdogTest : public testing::Test {
  protected:
    // Whether the word is given `after` the last call, while workers 0 and 1 have turned so often.
    bool is_fed(Watchdog& watchdog,
                std::chrono::milliseconds after,
                std::uint64_t first,
                std::uint64_t second) {
        now_ += after;
        const std::array beats{first, second};
        return watchdog.is_fed(now_, [&](std::size_t worker) { return beats.at(worker); });
    }

    Watchdog::Clock::time_point now_{1h};
};

TEST_F(WatchdogTest, IsFedAtHalfTheIntervalWhileEveryWorkerTurns) {
    Watchdog watchdog(2s, 2);
    EXPECT_FALSE(is_fed(watchdog, 0ms, 5, 5));
    EXPECT_FALSE(is_fed(watchdog, 999ms, 6, 6));
    EXPECT_TRUE(is_fed(watchdog, 1ms, 6, 6));
    EXPECT_FALSE(is_fed(watchdog, 999ms, 7, 7));
    EXPECT_TRUE(is_fed(watchdog, 1ms, 8, 8));
}

TEST_F(WatchdogTest, OneWorkerThatStandsStillKeepsTheWordBackUntilItTurns) {
    Watchdog watchdog(2s, 2);
    EXPECT_FALSE(is_fed(watchdog, 0ms, 5, 5));
    EXPECT_FALSE(is_fed(watchdog, 1s, 6, 5));
    EXPECT_FALSE(is_fed(watchdog, 1s, 7, 5));
    EXPECT_TRUE(is_fed(watchdog, 2ms, 7, 6)) << "asked again at the next turn";
    EXPECT_FALSE(is_fed(watchdog, 2ms, 8, 7)) << "and then half an interval later";
}

TEST_F(WatchdogTest, AHeartbeatThatBeganAnewHasMoved) {
    Watchdog watchdog(2s, 2);
    EXPECT_FALSE(is_fed(watchdog, 0ms, 5, 5));
    EXPECT_TRUE(is_fed(watchdog, 1s, 1, 2));
}

TEST_F(WatchdogTest, NobodyIsToldWhoDoesNotWait) {
    Watchdog watchdog(std::nullopt, 2);
    EXPECT_FALSE(is_fed(watchdog, 0ms, 5, 5));
    EXPECT_FALSE(is_fed(watchdog, 1h, 6, 6));
}

}  // namespace
}  // namespace fairlead::engine
