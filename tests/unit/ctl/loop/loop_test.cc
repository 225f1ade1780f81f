#include <array>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include "ctl/loop/main_loop.h"
#include "ctl/loop/timer.h"
#include "ctl/loop/watch.h"

namespace fairlead::loop {
namespace {

using namespace std::chrono_literals;

class LoopTest : public testing::Test {
  protected:
    MainLoop loop_;
    std::vector<int> calls_;
};

TEST_F(LoopTest, ATimerCallsOnceAndTheLoopEnds) {
    Timer timer(loop_.context());
    timer.after(1ms, [this] { calls_.push_back(1); });
    loop_.run();
    EXPECT_EQ(calls_, std::vector<int>{1});
    EXPECT_FALSE(timer.cancel());
}

TEST_F(LoopTest, AnotherTimeReplacesTheFirstOne) {
    Timer timer(loop_.context());
    timer.after(1ms, [this] { calls_.push_back(1); });
    timer.after(0ms, [this] { calls_.push_back(2); });
    loop_.run();
    EXPECT_EQ(calls_, std::vector<int>{2});
}

// Both are due, so the loop has both calls in its queue when the first one is made.
TEST_F(LoopTest, ACallThatIsDueAlreadyIsTakenBackToo) {
    const auto past = Timer::Clock::now() - 1s;
    Timer first(loop_.context());
    Timer second(loop_.context());
    auto third = std::make_unique<Timer>(loop_.context());
    first.at(past, [&] {
        calls_.push_back(1);
        EXPECT_TRUE(second.cancel());
        third.reset();
    });
    second.at(past, [this] { calls_.push_back(2); });
    third->at(past, [this] { calls_.push_back(3); });
    loop_.run();
    EXPECT_EQ(calls_, std::vector<int>{1});
}

TEST_F(LoopTest, ATimerMayBeSetFromItsOwnCall) {
    Timer timer(loop_.context());
    std::function<void()> again = [&] {
        calls_.push_back(1);
        if (calls_.size() < 3) {
            timer.after(0ms, again);
        }
    };
    timer.after(0ms, again);
    loop_.run();
    EXPECT_EQ(calls_.size(), 3U);
}

TEST_F(LoopTest, AWatchCallsAsLongAsSomethingIsLeftToRead) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    ASSERT_EQ(::write(ends[1], "abc", 3), 3);
    std::unique_ptr<Watch> watch;
    watch = std::make_unique<Watch>(loop_.context(), ends[0], [&] {
        char byte = 0;
        ASSERT_EQ(::read(ends[0], &byte, 1), 1);
        calls_.push_back(byte);
        if (byte == 'c') {
            watch.reset();
        }
    });
    loop_.run();
    EXPECT_EQ(calls_, (std::vector<int>{'a', 'b', 'c'}));
    EXPECT_EQ(::close(ends[0]), 0) << "the descriptor is still the caller's";
    EXPECT_EQ(::close(ends[1]), 0);
}

// Also one that came before the loop ran.
TEST_F(LoopTest, EachSignalIsHeard) {
    loop_.on_signals({SIGUSR1, SIGUSR2}, [this](int signal) {
        calls_.push_back(signal);
        if (signal == SIGUSR2) {
            loop_.stop();
        } else {
            ASSERT_EQ(::raise(SIGUSR2), 0);
        }
    });
    ASSERT_EQ(::raise(SIGUSR1), 0);
    loop_.run();
    EXPECT_EQ(calls_, (std::vector<int>{SIGUSR1, SIGUSR2}));
}

TEST_F(LoopTest, WhatIsPostedRunsInALaterTurn) {
    post(loop_.context(), [this] {
        post(loop_.context(), [this] { calls_.push_back(2); });
        calls_.push_back(1);
    });
    loop_.run();
    EXPECT_EQ(calls_, (std::vector<int>{1, 2}));
}

}  // namespace
}  // namespace fairlead::loop
