#include "ctl/health/check_thread.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ctl/health/loopback.h"

namespace fairlead::health {
namespace {

using namespace std::chrono_literals;
using model::Health;
using testing::ElementsAre;

Target target(const char* backend, std::uint16_t port) {
    Target result;
    result.service = "portal";
    result.backend = backend;
    result.address = loopback();
    result.port = port;
    result.health.type = conf::CheckType::kTcp;
    result.health.interval = 20ms;
    result.health.timeout = 20ms;
    result.health.rise = 2;
    result.health.fall = 3;
    return result;
}

class CheckThreadTest : public testing::Test {
  protected:
    // The server is the owner's loop's: it answers while that runs; its listen queue, always.
    boost::asio::io_context loop_;
    std::vector<Health> states_;
    std::thread::id called_by_;
    CheckThread checker_{loop_, [this](const Target&, Health health, std::string_view) {
                             states_.push_back(health);
                             called_by_ = std::this_thread::get_id();
                         }};
    // Keeps run_until() from ending where this loop waits for the other thread alone.
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> stays_ =
        boost::asio::make_work_guard(loop_);
};

TEST_F(CheckThreadTest, TransitionsComeByTheOwnersLoop) {
    Server server(loop_);
    checker_.set_targets({target("app-1", server.port())});
    ASSERT_TRUE(run_until(loop_, [&] { return states_.size() == 2; }));
    EXPECT_THAT(states_, ElementsAre(Health::kRising, Health::kUp));
    EXPECT_EQ(called_by_, std::this_thread::get_id());
}

TEST_F(CheckThreadTest, ChecksGoOnWhileTheOwnerIsBusy) {
    Server server(loop_);
    checker_.set_targets({target("app-1", server.port())});
    ASSERT_TRUE(run_until(loop_, [&] { return states_.size() == 2; }));
    const std::uint64_t before = checker_.report("portal", "app-1")->passed();
    std::this_thread::sleep_for(400ms);
    EXPECT_GE(checker_.report("portal", "app-1")->passed(), before + 10);
    EXPECT_EQ(checker_.report("portal", "app-1")->failed(), 0);
    EXPECT_GE(checker_.durations().count(), before + 10);
    EXPECT_LT(checker_.lag(), 300ms);
}

TEST_F(CheckThreadTest, WhatIsNoTargetAnyMoreIsForgotten) {
    Server server(loop_);
    checker_.set_targets({target("app-1", server.port()), target("app-2", server.port())});
    ASSERT_TRUE(run_until(loop_, [&] { return states_.size() == 4; }));
    checker_.set_targets({target("app-2", server.port()), target("app-3", server.port())});
    ASSERT_TRUE(run_until(loop_, [&] {
        boost::asio::post(loop_, [] {});
        return checker_.report("portal", "app-3") != nullptr;
    }));
    EXPECT_EQ(checker_.report("portal", "app-1"), nullptr);
    std::vector<std::string> names;
    checker_.for_each([&](const Target& seen, const Report&) { names.push_back(seen.backend); });
    EXPECT_THAT(names, ElementsAre("app-2", "app-3"));
}

TEST(CheckThreadLifetime, EndsWithChecksAndTransitionsPending) {
    boost::asio::io_context loop;
    const SilentPort silent(loop);
    const std::uint16_t closed = closed_port(loop);
    {
        CheckThread checker(loop, [](const Target&, Health, std::string_view) { FAIL(); });
        checker.set_targets({target("a", silent.port()), target("b", closed)});
        const auto end = std::chrono::steady_clock::now() + 10s;
        while ((checker.report("portal", "b") == nullptr ||
                checker.report("portal", "b")->failed() == 0) &&
               std::chrono::steady_clock::now() < end) {
            std::this_thread::yield();
        }
    }
    loop.poll();  // what was on its way comes to nobody
}

}  // namespace
}  // namespace fairlead::health
