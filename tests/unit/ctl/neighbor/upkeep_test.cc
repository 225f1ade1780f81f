// When a neighbor is asked, hour by hour in no time.
#include "ctl/neighbor/upkeep.h"

#include <gtest/gtest.h>

namespace fairlead::neighbor {
namespace {

using namespace std::chrono_literals;

constexpr Clock::time_point kStart{1000h};
const MacAddress kMac{{2, 0, 0, 0, 4, 1}};

NeighborEntry entry(Reachability state, Clock::time_point confirmed, bool is_managed = true) {
    NeighborEntry entry;
    entry.state = state;
    entry.is_managed = is_managed;
    entry.confirmed = confirmed;
    if (state != Reachability::kFailed && state != Reachability::kIncomplete) {
        entry.mac = kMac;
    }
    return entry;
}

Watched needed_since(Clock::time_point time) {
    Watched watched;
    watched.needed = watched.missing = time;
    return watched;
}

// Decides at each time that decide() names, and counts what is done until `end`.
int actions(Watched& watched, Action action, Clock::time_point from, Clock::time_point end) {
    int count = 0;
    for (Clock::time_point now = from; now < end;) {
        const Decision decision = decide(watched, now);
        EXPECT_GT(decision.next, now) << "or it would be decided without an end";
        if (decision.action != Action::kNone) {
            watched.asked = now;
        }
        count += decision.action == action ? 1 : 0;
        now = decision.next;
    }
    return count;
}

TEST(Upkeep, WhatIsMissingIsAskedForUntilItAnswers) {
    Watched watched = needed_since(kStart);
    const int first = actions(watched, Action::kSolicit, kStart, kStart + 10s);
    EXPECT_GE(first, 9) << "every second at first";
    EXPECT_LE(first, 11);
    const int later = actions(watched, Action::kSolicit, kStart + 10s, kStart + 1h);
    EXPECT_GE(later, 700) << "every five seconds later, for ever";
    EXPECT_LE(later, 730);
}

TEST(Upkeep, AFailedEntryIsAskedForAgainWhateverWasAskedBefore) {
    Watched watched = needed_since(kStart);
    watched.asked = kStart;
    observe(watched, entry(Reachability::kReachable, kStart), kStart);
    observe(watched, entry(Reachability::kFailed, kStart), kStart + 500ms);
    const Decision early = decide(watched, kStart + 500ms);
    EXPECT_EQ(early.action, Action::kNone) << "one question a second";
    EXPECT_EQ(decide(watched, early.next).action, Action::kSolicit);
    observe(watched, std::nullopt, kStart + 3s);
    EXPECT_EQ(decide(watched, kStart + 3s).action, Action::kSolicit) << "the entry is gone";
}

TEST(Upkeep, AQuestionOfTheKernelsIsNotDisturbed) {
    Watched watched = needed_since(kStart);
    watched.asked = kStart;
    observe(watched, entry(Reachability::kIncomplete, kStart), kStart);
    EXPECT_EQ(decide(watched, kStart + 3s).action, Action::kNone);
    EXPECT_EQ(decide(watched, kStart + 5s).action, Action::kSolicit);
}

TEST(Upkeep, AStaleEntryIsAskedAtOnce) {
    Watched watched = needed_since(kStart - 1h);
    observe(watched, entry(Reachability::kStale, kStart - 30s), kStart);
    EXPECT_EQ(decide(watched, kStart).action, Action::kVerify);
    watched.asked = kStart;
    EXPECT_EQ(decide(watched, kStart + 10ms).action, Action::kNone) << "once a second";
}

TEST(Upkeep, AConfirmedOneRestsUntilItIsAMinuteOld) {
    Watched watched = needed_since(kStart - 1h);
    observe(watched, entry(Reachability::kReachable, kStart), kStart);
    const Decision decision = decide(watched, kStart);
    EXPECT_EQ(decision.action, Action::kNone);
    EXPECT_EQ(decision.next, kStart + kVerifyAfter);
    EXPECT_EQ(decide(watched, decision.next).action, Action::kVerify);
}

TEST(Upkeep, WhatSomebodyTookOutOfTheKernelsKeepingIsPutBack) {
    Watched watched = needed_since(kStart - 1h);
    observe(watched, entry(Reachability::kReachable, kStart, false), kStart);
    EXPECT_EQ(decide(watched, kStart).action, Action::kSolicit);
}

TEST(Upkeep, APermanentEntryIsLeftAloneAndBelieved) {
    Watched watched = needed_since(kStart);
    observe(watched, entry(Reachability::kPermanent, kStart, false), kStart);
    EXPECT_EQ(decide(watched, kStart + 10h).action, Action::kNone);
    EXPECT_FALSE(is_lost(watched, kStart + 10h));
}

TEST(Upkeep, IsLostTwoMinutesAfterItWasLastConfirmed) {
    Watched watched = needed_since(kStart - 1h);
    observe(watched, entry(Reachability::kReachable, kStart), kStart);
    observe(watched, entry(Reachability::kFailed, kStart - 60s), kStart + 30s);
    EXPECT_FALSE(is_lost(watched, kStart + 119s));
    EXPECT_TRUE(is_lost(watched, kStart + 120s));
    watched.asked = kStart + 119s;
    EXPECT_LE(decide(watched, kStart + 119s).next, kStart + 120s) << "it is seen at that time";
    observe(watched, entry(Reachability::kReachable, kStart + 200s), kStart + 200s);
    EXPECT_FALSE(is_lost(watched, kStart + 200s));
}

TEST(Upkeep, ANewMacAddressThatNobodyConfirmedDoesNotCountAsAnAnswer) {
    Watched watched = needed_since(kStart - 1h);
    observe(watched, entry(Reachability::kReachable, kStart), kStart);
    // The kernel's made-up time is before what is known.
    observe(watched, entry(Reachability::kStale, kStart + 10s - 60s), kStart + 10s);
    EXPECT_EQ(watched.answered, kStart);
    EXPECT_FALSE(is_lost(watched, kStart + 119s));
    EXPECT_TRUE(is_lost(watched, kStart + 120s));
}

TEST(Upkeep, NothingIsAskedIntoADeadLink) {
    Watched watched = needed_since(kStart);
    watched.can_be_asked = false;
    EXPECT_EQ(actions(watched, Action::kSolicit, kStart, kStart + 1h), 0);
    EXPECT_TRUE(is_lost(watched, kStart + 1h));
    watched.can_be_asked = true;
    EXPECT_EQ(decide(watched, kStart + 1h).action, Action::kSolicit);
}

}  // namespace
}  // namespace fairlead::neighbor
