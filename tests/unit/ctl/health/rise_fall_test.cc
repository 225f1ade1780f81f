#include "ctl/health/rise_fall.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::health {
namespace {

using model::Health;
using testing::ElementsAre;

// The states after each of `results`: 'g' for a good check, 'b' for a failed one.
[[nodiscard]] std::vector<Health> states(RiseFall state, std::string_view results) {
    std::vector<Health> seen;
    for (const char result : results) {
        if (result == 'g') {
            state.pass();
        } else {
            state.fail();
        }
        seen.push_back(state.health());
    }
    return seen;
}

TEST(RiseFall, FallsAfterSoManyFailuresInARow) {
    EXPECT_THAT(states(RiseFall(Health::kUp, 2, 3), "bbgbbb"),
                ElementsAre(Health::kFalling,
                            Health::kFalling,
                            Health::kUp,
                            Health::kFalling,
                            Health::kFalling,
                            Health::kDown));
}

TEST(RiseFall, RisesAfterSoManyGoodChecksInARow) {
    EXPECT_THAT(states(RiseFall(Health::kDown, 3, 2), "ggbggg"),
                ElementsAre(Health::kRising,
                            Health::kRising,
                            Health::kDown,
                            Health::kRising,
                            Health::kRising,
                            Health::kUp));
}

TEST(RiseFall, OneCheckIsEnoughWhereOneIsAskedFor) {
    EXPECT_THAT(states(RiseFall(Health::kUp, 1, 1), "bgb"),
                ElementsAre(Health::kDown, Health::kUp, Health::kDown));
}

TEST(RiseFall, WithoutHistoryItRisesAndOneFailureIsDown) {
    EXPECT_THAT(states(RiseFall(Health::kUnknown, 2, 3), "gg"),
                ElementsAre(Health::kRising, Health::kUp));
    EXPECT_THAT(states(RiseFall(Health::kUnknown, 2, 3), "gbg"),
                ElementsAre(Health::kRising, Health::kDown, Health::kRising));
    EXPECT_THAT(states(RiseFall(Health::kUnknown, 2, 3), "b"), ElementsAre(Health::kDown));
}

TEST(RiseFall, IsUndecidedUntilItsFirstVerdictOnly) {
    RiseFall state(Health::kUnknown, 2, 3);
    EXPECT_TRUE(state.is_undecided());
    state.pass();
    EXPECT_TRUE(state.is_undecided());
    state.pass();
    EXPECT_FALSE(state.is_undecided());
    for (int i = 0; i < 3; ++i) {
        state.fail();
    }
    state.pass();
    EXPECT_EQ(state.health(), Health::kRising);
    EXPECT_FALSE(state.is_undecided()) << "a rise after a fall is in no hurry";
    EXPECT_FALSE(RiseFall(Health::kDown, 2, 3).is_undecided());
}

TEST(RiseFall, TakesOverWhatWasSettled) {
    EXPECT_EQ(RiseFall(Health::kUp, 2, 3).health(), Health::kUp);
    EXPECT_EQ(RiseFall(Health::kFalling, 2, 3).health(), Health::kUp);
    EXPECT_EQ(RiseFall(Health::kUnchecked, 2, 3).health(), Health::kUp);
    EXPECT_EQ(RiseFall(Health::kDown, 2, 3).health(), Health::kDown);
    EXPECT_EQ(RiseFall(Health::kRising, 2, 3).health(), Health::kDown);
    EXPECT_EQ(RiseFall(Health::kUnknown, 2, 3).health(), Health::kUnknown);
    EXPECT_THAT(states(RiseFall(Health::kFalling, 2, 3), "bb"),
                ElementsAre(Health::kFalling, Health::kFalling))
        << "a restart begins a new count";
}

TEST(RiseFall, NewThresholdsHoldFromTheNextResult) {
    RiseFall state(Health::kUp, 2, 5);
    state.fail();
    state.fail();
    state.set_thresholds(2, 3);
    EXPECT_EQ(state.health(), Health::kFalling);
    state.fail();
    EXPECT_EQ(state.health(), Health::kDown);
}

}  // namespace
}  // namespace fairlead::health
