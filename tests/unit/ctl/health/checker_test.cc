#include "ctl/health/checker.h"

#include <thread>

#include <fmt/format.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ctl/health/loopback.h"

namespace fairlead::health {
namespace {

using namespace std::chrono_literals;
using model::Health;
using testing::ElementsAre;

constexpr std::string_view kGood = "HTTP/1.1 200 OK\r\n\r\n";
constexpr std::string_view kBad = "HTTP/1.1 500 No\r\n\r\n";

[[nodiscard]] Target target(std::string backend,
                            std::uint16_t port,
                            Health last_known = Health::kUnknown) {
    Target result;
    result.service = "portal";
    result.backend = std::move(backend);
    result.address = loopback();
    result.port = port;
    result.health.type = conf::CheckType::kTcp;
    result.health.interval = 10ms;
    result.health.timeout = 10ms;
    result.health.rise = 2;
    result.health.fall = 3;
    result.last_known = last_known;
    return result;
}

[[nodiscard]] Target http_target(const Server& server, Health last_known = Health::kUnknown) {
    Target result = target("app-1", server.port(), last_known);
    result.health.type = conf::CheckType::kHttp;
    result.health.interval = 20ms;
    result.health.timeout = 20ms;
    return result;
}

class CheckerTest : public testing::Test {
  protected:
    [[nodiscard]] static std::uint64_t ended(const Report* report) {
        return report == nullptr ? 0 : report->passed() + report->failed();
    }
    [[nodiscard]] const Report* report(const std::string& backend = "app-1") const {
        return checker_.report("portal", backend);
    }
    [[nodiscard]] Health health(const std::string& backend = "app-1") const {
        return report(backend)->health;
    }

    boost::asio::io_context loop_;
    std::vector<Health> states_;
    std::vector<std::string> reasons_;
    Checker checker_{loop_, [this](const Target&, Health health, std::string_view why) {
                         states_.push_back(health);
                         reasons_.emplace_back(why);
                     }};
};

TEST_F(CheckerTest, ANewBackendIsInAtOnce) {
    Server server(loop_);
    Target slow = target("app-1", server.port());
    slow.health.interval = 1h;
    slow.health.timeout = 5s;
    slow.health.rise = 5;
    checker_.set_targets({slow});
    EXPECT_EQ(health(), Health::kUnknown);
    EXPECT_TRUE(states_.empty()) << "transitions come from the loop";
    ASSERT_TRUE(run_until(loop_, [&] { return health() == Health::kUp && states_.size() == 2; }));
    EXPECT_THAT(states_, ElementsAre(Health::kRising, Health::kUp));
    EXPECT_EQ(report()->passed(), 5U);
    EXPECT_EQ(reasons_.back(), "connected");
}

TEST_F(CheckerTest, ADeadNewBackendIsDownAtOnce) {
    Target dead = target("app-1", closed_port(loop_));
    dead.health.interval = 1h;
    checker_.set_targets({dead});
    ASSERT_TRUE(run_until(loop_, [&] { return !states_.empty(); }));
    EXPECT_THAT(states_, ElementsAre(Health::kDown));
    EXPECT_THAT(reasons_, ElementsAre("connection refused"));
}

TEST_F(CheckerTest, FallsAndRisesByTheThresholds) {
    Server server(loop_, std::string(kGood));
    checker_.set_targets({http_target(server, Health::kUp)});
    ASSERT_TRUE(run_until(loop_, [&] { return ended(report()) >= 2; }));
    EXPECT_THAT(states_, ElementsAre()) << "up stays up";
    server.answer_with(std::string(kBad));
    ASSERT_TRUE(run_until(loop_, [&] { return states_.size() == 2; }));
    EXPECT_EQ(report()->outcomes[static_cast<std::size_t>(Outcome::kStatus)], 3U);
    server.answer_with(std::string(kGood));
    ASSERT_TRUE(run_until(loop_, [&] { return states_.size() == 4; }));
    EXPECT_THAT(states_,
                ElementsAre(Health::kFalling, Health::kDown, Health::kRising, Health::kUp));
    EXPECT_EQ(reasons_[1], "HTTP 500, expected 200-299");
    EXPECT_EQ(report()->last.text, "HTTP 200");
    EXPECT_EQ(checker_.durations().count(), ended(report()));
}

TEST_F(CheckerTest, AServerThatStopsIsSeen) {
    Server server(loop_);
    checker_.set_targets({target("app-1", server.port(), Health::kUp)});
    server.stop();
    ASSERT_TRUE(run_until(loop_, [&] { return states_.size() == 2; }));
    EXPECT_THAT(states_, ElementsAre(Health::kFalling, Health::kDown));
    EXPECT_EQ(report()->outcomes[static_cast<std::size_t>(Outcome::kRefused)], 3U);
}

TEST_F(CheckerTest, ASilentHostIsDownAfterItsTimeouts) {
    const SilentPort silent(loop_);
    Target gone = target("app-1", silent.port(), Health::kUp);
    gone.health.timeout = gone.health.interval = 100ms;
    checker_.set_targets({gone});
    ASSERT_TRUE(run_until(loop_, [&] { return health() == Health::kDown; }));
    EXPECT_EQ(report()->outcomes[static_cast<std::size_t>(Outcome::kTimeout)], 3U);
    EXPECT_THAT(reasons_, testing::Each("no answer within 100 ms"));
}

TEST_F(CheckerTest, ALateCheckerDeclaresNobodyDead) {
    const SilentPort silent(loop_);
    Target quick = target("app-1", silent.port(), Health::kUp);
    quick.health.interval = 20ms;
    quick.health.fall = 1;
    checker_.set_targets({quick});
    ASSERT_TRUE(run_until(loop_, [&] {
        // Whenever it runs, it runs late: the loop hangs between any two of its steps.
        std::this_thread::sleep_for(25ms);
        return report()->outcomes[static_cast<std::size_t>(Outcome::kDiscarded)] >= 3;
    }));
    EXPECT_EQ(report()->failed(), 0U);
    EXPECT_EQ(health(), Health::kUp);
    EXPECT_EQ(checker_.durations().count(), 0U);
    EXPECT_GE(checker_.lag(), 5ms);
}

TEST_F(CheckerTest, WithoutACheckThereIsOneTransitionAtMost) {
    Target none = target("app-1", closed_port(loop_));
    none.health.type = conf::CheckType::kNone;
    Target known = target("app-2", none.port, Health::kUnchecked);
    known.health.type = conf::CheckType::kNone;
    checker_.set_targets({none, known});
    EXPECT_FALSE(run_until(loop_, [&] { return states_.size() > 1; }))
        << "nothing is pending after it";
    EXPECT_THAT(states_, ElementsAre(Health::kUnchecked));
    EXPECT_EQ(health("app-1"), Health::kUnchecked);
    EXPECT_EQ(health("app-2"), Health::kUnchecked);
    EXPECT_FALSE(report()->has_result);
}

TEST_F(CheckerTest, AReloadKeepsWhatIsKnown) {
    Server server(loop_);
    checker_.set_targets({target("app-1", server.port())});
    ASSERT_TRUE(run_until(loop_, [&] { return health() == Health::kUp; }));
    const std::uint64_t passed = report()->passed();
    Target changed = target("app-1", server.port());
    changed.health.interval = 15ms;
    changed.health.fall = 1;
    checker_.set_targets({changed, target("app-2", server.port())});
    EXPECT_EQ(health("app-1"), Health::kUp);
    EXPECT_EQ(report()->passed(), passed);
    EXPECT_EQ(health("app-2"), Health::kUnknown);
    ASSERT_TRUE(run_until(
        loop_, [&] { return report()->passed() > passed && health("app-2") == Health::kUp; }));
    EXPECT_THAT(states_, ElementsAre(Health::kRising, Health::kUp, Health::kRising, Health::kUp));
}

TEST_F(CheckerTest, ALongerIntervalDoesNotStrandACheckThatIsPending) {
    Server server(loop_);
    Target slow = target("app-1", server.port(), Health::kUp);
    slow.health.interval = 1h;
    checker_.set_targets({slow});
    checker_.set_targets({target("app-1", server.port())});
    EXPECT_TRUE(run_until(loop_, [&] { return report()->passed() >= 2; }));
}

TEST_F(CheckerTest, AnotherAddressIsAnotherBackend) {
    Server server(loop_);
    checker_.set_targets({target("app-1", server.port())});
    ASSERT_TRUE(run_until(loop_, [&] { return health() == Health::kUp; }));
    Target moved = target("app-1", server.port());
    moved.address = *IpAddress::parse("127.0.0.2");
    checker_.set_targets({moved});
    EXPECT_EQ(health(), Health::kUnknown);
    EXPECT_EQ(report()->passed(), 0U);
}

TEST_F(CheckerTest, WhatIsNoTargetAnyMoreIsLeftAlone) {
    Server server(loop_);
    const SilentPort silent(loop_);
    checker_.set_targets({target("app-1", server.port()), target("app-2", silent.port())});
    ASSERT_TRUE(run_until(loop_, [&] { return health() == Health::kUp; }));
    checker_.set_targets({});
    EXPECT_EQ(report(), nullptr);
    states_.clear();
    const std::size_t accepted = server.accepted();
    const auto end = std::chrono::steady_clock::now() + 40ms;
    EXPECT_TRUE(run_until(loop_, [&] {
        boost::asio::post(loop_, [] {});
        return std::chrono::steady_clock::now() > end;
    }));
    EXPECT_TRUE(states_.empty());
    EXPECT_LE(server.accepted(), accepted + 1) << "one connection may have been on its way";
}

TEST_F(CheckerTest, ATransitionMayChangeTheTargets) {
    Server server(loop_);
    bool is_called = false;
    Checker checker(loop_, [&](const Target& seen, Health, std::string_view) {
        is_called = true;
        EXPECT_EQ(seen.backend, "app-1");
        checker.set_targets({});
        EXPECT_EQ(seen.backend, "app-1") << "the target lives as long as the call";
    });
    checker.set_targets({target("app-1", server.port())});
    EXPECT_TRUE(run_until(loop_, [&] { return is_called; }));
}

TEST_F(CheckerTest, NoMoreChecksRunAtATimeThanAllowed) {
    const SilentPort silent(loop_);
    Server server(loop_);
    Checker narrow(
        loop_, [](const Target&, Health, std::string_view) {}, {}, 1);
    Target hanging = target("a", silent.port());
    hanging.health.timeout = hanging.health.interval = 300ms;
    Target good = target("b", server.port());
    good.health.interval = 1h;
    narrow.set_targets({hanging, good});
    ASSERT_TRUE(run_until(loop_, [&] { return narrow.report("portal", "b")->passed() == 2; }));
    EXPECT_EQ(narrow.report("portal", "a")->health, Health::kDown)
        << "it came first and kept the other waiting";
    EXPECT_GE(narrow.lag(), 250ms);
}

TEST_F(CheckerTest, KnownTargetsAreSpreadOverTheInterval) {
    Server server(loop_);
    std::vector<Target> targets;
    constexpr std::size_t kTargets = 100;
    for (std::size_t i = 0; i < kTargets; ++i) {
        targets.push_back(target(fmt::format("app-{}", i), server.port(), Health::kUp));
        targets.back().health.interval = 1h;
    }
    checker_.set_targets(targets);
    const auto end = std::chrono::steady_clock::now() + 50ms;
    ASSERT_TRUE(run_until(loop_, [&] {
        boost::asio::post(loop_, [] {});
        return std::chrono::steady_clock::now() > end;
    }));
    // Each has its own moment of the hour: that several of them are now is next to impossible.
    std::size_t checked = 0;
    checker_.for_each(
        [&](const Target&, const Report& seen) { checked += seen.has_result ? 1U : 0U; });
    EXPECT_LE(checked, 2U);
    for (Target& known : targets) {
        known.health.interval = 100ms;
    }
    checker_.set_targets(targets);
    EXPECT_TRUE(run_until(loop_, [&] {
        std::size_t passed = 0;
        checker_.for_each(
            [&](const Target&, const Report& seen) { passed += seen.passed() > 0 ? 1U : 0U; });
        return passed == kTargets;
    }));
}

TEST(CheckerLifetime, EndsWithChecksPending) {
    boost::asio::io_context loop;
    const SilentPort silent(loop);
    {
        Checker checker(loop, [](const Target&, Health, std::string_view) { FAIL(); });
        checker.set_targets({target("a", silent.port()), target("b", silent.port(), Health::kUp)});
        loop.run_one();  // the first of "a" runs, "b" waits for its turn
    }
    const auto end = std::chrono::steady_clock::now() + 40ms;
    EXPECT_TRUE(run_until(loop, [&] {
        boost::asio::post(loop, [] {});
        return std::chrono::steady_clock::now() > end;
    }));
}

}  // namespace
}  // namespace fairlead::health
