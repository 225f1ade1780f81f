#include "ctl/health/check.h"

#include <optional>
#include <thread>

#include <sys/resource.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ctl/health/loopback.h"

namespace fairlead::health {
namespace {

using namespace std::chrono_literals;
using conf::CheckType;

[[nodiscard]] conf::HealthConfig config(CheckType type,
                                        std::chrono::milliseconds timeout = 2000ms) {
    conf::HealthConfig health;
    health.type = type;
    health.timeout = timeout;
    return health;
}

class CheckTest : public testing::Test {
  protected:
    [[nodiscard]] CheckResult run(const conf::HealthConfig& health,
                                  std::uint16_t port,
                                  bool is_v4 = true) {
        std::optional<CheckResult> result;
        const auto check =
            start_check(loop_, loopback(is_v4), port, health, shared_, [&](CheckResult ended) {
                result = std::move(ended);
            });
        EXPECT_FALSE(result) << "results come from the loop";
        EXPECT_TRUE(run_until(loop_, [&] { return result.has_value(); }));
        return result.value_or(CheckResult{});
    }

    [[nodiscard]] CheckResult run_http(std::string answer,
                                       Server::Then then = Server::Then::kHold) {
        Server server(loop_, std::move(answer), then);
        CheckResult result = run(config(CheckType::kHttp), server.port());
        request_ = server.request();
        return result;
    }

    void SetUp() override { lateness_.watch(true); }

    boost::asio::io_context loop_;
    std::shared_ptr<Closings> closings_ = std::make_shared<Closings>();
    Lateness lateness_{loop_};
    Shared shared_{closings_, &lateness_};
    std::string request_;
};

TEST_F(CheckTest, TcpPassesWhereSomebodyListens) {
    Server server(loop_);
    const CheckResult result = run(config(CheckType::kTcp), server.port());
    EXPECT_EQ(result.outcome, Outcome::kOk);
    EXPECT_GT(result.duration, 0ns);
    EXPECT_LT(result.duration, 2s);
}

TEST_F(CheckTest, TcpPassesOverIpv6) {
    Server server(loop_, "", Server::Then::kHold, false);
    EXPECT_EQ(run(config(CheckType::kTcp), server.port(), false).outcome, Outcome::kOk);
}

TEST_F(CheckTest, AClosedPortRefuses) {
    for (const CheckType type : {CheckType::kTcp, CheckType::kHttp}) {
        const CheckResult result = run(config(type), closed_port(loop_));
        EXPECT_EQ(result.outcome, Outcome::kRefused);
        EXPECT_EQ(result.text, "connection refused");
    }
}

TEST_F(CheckTest, AHostThatAnswersNothingTimesOut) {
    const SilentPort silent(loop_);
    const CheckResult result = run(config(CheckType::kTcp, 300ms), silent.port());
    EXPECT_EQ(result.outcome, Outcome::kTimeout) << result.text;
    EXPECT_EQ(result.text, "no answer within 300 ms");
    EXPECT_GE(result.duration, 300ms);
}

TEST_F(CheckTest, HttpTimesOutWhereTheAnswerNeverComes) {
    Server server(loop_);
    EXPECT_EQ(run(config(CheckType::kHttp, 300ms), server.port()).outcome, Outcome::kTimeout);
    EXPECT_EQ(server.accepted(), 1U);
}

TEST_F(CheckTest, HttpPassesOnAnExpectedStatus) {
    const CheckResult result = run_http("HTTP/1.1 204 No Content\r\n\r\n");
    EXPECT_EQ(result.outcome, Outcome::kOk);
    EXPECT_EQ(result.text, "HTTP 204");
}

TEST_F(CheckTest, HttpAsksForThePathAndTheHost) {
    Server server(loop_, "HTTP/1.1 200 OK\r\n\r\n");
    conf::HealthConfig health = config(CheckType::kHttp);
    health.path = "/healthz?deep=1";
    health.host = "www.lend.example";
    EXPECT_EQ(run(health, server.port()).outcome, Outcome::kOk);
    EXPECT_THAT(server.request(), testing::StartsWith("GET /healthz?deep=1 HTTP/1.1\r\n"));
    EXPECT_THAT(server.request(), testing::HasSubstr("\r\nHost: www.lend.example\r\n"));
    EXPECT_THAT(server.request(), testing::HasSubstr("\r\nConnection: close\r\n"));
}

TEST_F(CheckTest, WithoutAHostTheBackendsAddressIsAskedFor) {
    Server server(loop_, "HTTP/1.1 200 OK\r\n\r\n", Server::Then::kHold, false);
    EXPECT_EQ(run(config(CheckType::kHttp), server.port(), false).outcome, Outcome::kOk);
    EXPECT_THAT(server.request(),
                testing::HasSubstr("\r\nHost: [::1]:" + std::to_string(server.port()) + "\r\n"));
}

TEST_F(CheckTest, HttpNamesAStatusThatWasNotExpected) {
    const CheckResult result =
        run_http("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(result.outcome, Outcome::kStatus);
    EXPECT_EQ(result.text, "HTTP 503, expected 200-299");
    Server server(loop_, "HTTP/1.0 500 Oops\r\n\r\n");
    conf::HealthConfig health = config(CheckType::kHttp);
    health.expect_status = {{200, 299}, {401, 401}};
    EXPECT_EQ(run(health, server.port()).text, "HTTP 500, expected 200-299, 401");
    server.answer_with("HTTP/1.0 401 Unauthorized\r\n\r\n");
    EXPECT_EQ(run(health, server.port()).outcome, Outcome::kOk);
}

TEST_F(CheckTest, AnAnswerThatEndsInItsHeaderIsAReset) {
    EXPECT_EQ(run_http("HTTP/1.1 200 OK\r\nContent-Le", Server::Then::kClose).outcome,
              Outcome::kReset);
    EXPECT_EQ(run_http("", Server::Then::kClose).outcome, Outcome::kReset);
}

TEST_F(CheckTest, AnAnswerThatStopsInItsHeaderTimesOut) {
    Server server(loop_, "HTTP/1.1 200 OK\r\nContent-Le");
    EXPECT_EQ(run(config(CheckType::kHttp, 300ms), server.port()).outcome, Outcome::kTimeout);
}

TEST_F(CheckTest, WhatIsNoHttpIsAnError) {
    for (const char* answer :
         {"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/3.9 200 OK\r\n\r\n"}) {
        const CheckResult result = run_http(answer, Server::Then::kClose);
        EXPECT_EQ(result.outcome, Outcome::kError) << answer << result.text;
        EXPECT_THAT(result.text, testing::StartsWith("the answer is no HTTP: ")) << answer;
    }
}

TEST_F(CheckTest, AnEndlessHeaderIsAnErrorAndABodyIsNotWaitedFor) {
    const std::string endless = "HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x');
    EXPECT_EQ(run_http(endless).outcome, Outcome::kError);
    EXPECT_EQ(run_http("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\nhalf").outcome,
              Outcome::kOk);
}

TEST_F(CheckTest, ATimeoutNoticedTooLateIsDiscarded) {
    const SilentPort silent(loop_);
    std::optional<CheckResult> result;
    const auto check = start_check(loop_,
                                   loopback(),
                                   silent.port(),
                                   config(CheckType::kTcp, 20ms),
                                   shared_,
                                   [&](CheckResult ended) { result = std::move(ended); });
    ASSERT_TRUE(run_until(loop_, [&] {
        std::this_thread::sleep_for(60ms);  // the loop hangs before each of its steps
        return result.has_value();
    }));
    EXPECT_EQ(result->outcome, Outcome::kDiscarded);
    EXPECT_THAT(result->text, testing::StartsWith("not judged: the checker was "));
}

TEST_F(CheckTest, AfterALateMomentTheTimeGoesOnAndADeadServerIsDead) {
    const SilentPort silent(loop_);
    std::optional<CheckResult> result;
    const auto check = start_check(loop_,
                                   loopback(),
                                   silent.port(),
                                   config(CheckType::kTcp, 100ms),
                                   shared_,
                                   [&](CheckResult ended) { result = std::move(ended); });
    const auto began = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(60ms);  // the loop hangs once, at the beginning
    ASSERT_TRUE(run_until(loop_, [&] { return result.has_value(); }));
    EXPECT_EQ(result->outcome, Outcome::kTimeout);
    EXPECT_GE(std::chrono::steady_clock::now() - began, 140ms) << "the lost time is given again";
    EXPECT_EQ(result->text, "no answer within 100 ms");
}

TEST_F(CheckTest, AnAnswerThatCameWhileTheLoopHungCounts) {
    Server server(loop_);
    const std::uint16_t closed = closed_port(loop_);
    std::vector<Outcome> outcomes;
    const auto note = [&](const CheckResult& ended) {
        outcomes.push_back(ended.outcome);
    };
    const auto good =
        start_check(loop_, loopback(), server.port(), config(CheckType::kTcp, 20ms), shared_, note);
    const auto bad =
        start_check(loop_, loopback(), closed, config(CheckType::kTcp, 20ms), shared_, note);
    std::this_thread::sleep_for(60ms);  // the loop hangs
    ASSERT_TRUE(run_until(loop_, [&] { return outcomes.size() == 2; }));
    EXPECT_THAT(outcomes, testing::UnorderedElementsAre(Outcome::kOk, Outcome::kRefused));
}

TEST_F(CheckTest, AHostWithoutSocketsDoesNotJudge) {
    const std::uint16_t closed = closed_port(loop_);
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    const CheckResult result = run(config(CheckType::kTcp), closed);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(result.outcome, Outcome::kDiscarded);
    EXPECT_EQ(result.text, "not checked: Too many open files on this host");
}

TEST_F(CheckTest, ACancelledCheckSaysNothing) {
    const SilentPort silent(loop_);
    Server server(loop_);
    bool has_spoken = false;
    const auto note = [&](const CheckResult&) {
        has_spoken = true;
    };
    const auto hanging =
        start_check(loop_, loopback(), silent.port(), config(CheckType::kTcp, 20ms), shared_, note);
    const auto good = start_check(
        loop_, loopback(), server.port(), config(CheckType::kHttp, 20ms), shared_, note);
    hanging->cancel();
    good->cancel();
    const auto end = std::chrono::steady_clock::now() + 40ms;
    EXPECT_TRUE(run_until(loop_, [&] {
        boost::asio::post(loop_, [] {});
        return std::chrono::steady_clock::now() > end;
    }));
    EXPECT_FALSE(has_spoken);
}

}  // namespace
}  // namespace fairlead::health
