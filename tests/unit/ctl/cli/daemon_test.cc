#include "ctl/cli/daemon.h"

#include <gtest/gtest.h>

namespace fairlead::cli {
namespace {

HttpAnswer answer(unsigned status, std::string body) {
    return {.status = status, .content_type = "application/json", .body = std::move(body)};
}

ExitCode code_of(unsigned status) {
    const auto outcome = read_answer(
        answer(status, R"({"error": {"code": "x", "message": "No such thing."}})"), "s");
    EXPECT_FALSE(outcome);
    EXPECT_EQ(outcome.error().message, "No such thing.");
    return outcome.error().code;
}

TEST(Daemon, StatusBecomesAnExitCodeAndTheMessageStays) {
    EXPECT_EQ(code_of(400), ExitCode::kFailed);
    EXPECT_EQ(code_of(403), ExitCode::kFailed);
    EXPECT_EQ(code_of(404), ExitCode::kNotFound);
    EXPECT_EQ(code_of(408), ExitCode::kFailed);
    EXPECT_EQ(code_of(409), ExitCode::kRefused);
    EXPECT_EQ(code_of(422), ExitCode::kFailed);
    EXPECT_EQ(code_of(500), ExitCode::kFailed);
    EXPECT_EQ(code_of(503), ExitCode::kFailed);
    const auto good = read_answer(answer(201, R"({"generation": 4})"), "s");
    ASSERT_TRUE(good);
    EXPECT_EQ((*good)["generation"], 4);
}

TEST(Daemon, AChangeThatNotAllFollowInTimeStandsAndIsToldSo) {
    const auto waiting = read_answer(
        answer(202, R"({"generation": 4, "waiting": "no engine runs: the change stands"})"), "s");
    ASSERT_FALSE(waiting);
    EXPECT_EQ(waiting.error().code, ExitCode::kTimedOut);
    EXPECT_EQ(waiting.error().message, "no engine runs: the change stands");
}

TEST(Daemon, WhatIsNoJsonObjectIsNotOurDaemon) {
    for (const char* body : {"", "<html>hello</html>", "[1, 2]", "3", "{\"a\": "}) {
        const auto outcome = read_answer(answer(200, body), "/run/x/lbd.sock");
        ASSERT_FALSE(outcome) << body;
        EXPECT_EQ(outcome.error().code, ExitCode::kFailed);
        EXPECT_NE(outcome.error().message.find("/run/x/lbd.sock answers with something"),
                  std::string::npos);
    }
    const auto silent = read_answer(answer(500, "{}"), "s");
    ASSERT_FALSE(silent);
    EXPECT_NE(silent.error().message.find("status 500 and no reason"), std::string::npos);
}

TEST(Daemon, ConfigurationErrorsReadAsACompilers) {
    const auto outcome = read_answer(answer(422,
                                            R"({"error": {"code": "invalid_config",
                "message": "Nothing was changed.",
                "errors": [{"file": "f.toml", "line": 3, "column": 1, "message": "unknown key",
                            "source_line": "weihgt = 3"}]}})"),
                                     "s");
    ASSERT_FALSE(outcome);
    EXPECT_EQ(
        outcome.error().message,
        "Nothing was changed.\nf.toml:3:1: error: unknown key\n    3 | weihgt = 3\n      | ^");
}

TEST(Daemon, NoAnswerSaysWhichSocketAndHowToStart) {
    const Daemon::Where where{"/tmp/r/lbd.sock", "/tmp/r", "/etc/f.toml"};
    const auto gone = explain({HttpProblem::kNoSocket, "No such file"}, where, false);
    EXPECT_EQ(gone.code, ExitCode::kUnreachable);
    EXPECT_NE(gone.message.find("/tmp/r/lbd.sock"), std::string::npos);
    EXPECT_NE(gone.message.find("systemctl start fairlead"), std::string::npos);
    EXPECT_NE(gone.message.find("lbd --config /etc/f.toml --run-dir /tmp/r"), std::string::npos);
    for (const HttpProblem problem : {HttpProblem::kNobodyListens,
                                      HttpProblem::kPermissionDenied,
                                      HttpProblem::kNoConnection,
                                      HttpProblem::kTimedOut,
                                      HttpProblem::kCutOff}) {
        EXPECT_EQ(explain({problem, "x"}, where, false).code, ExitCode::kUnreachable);
    }
    EXPECT_EQ(explain({HttpProblem::kNotHttp, "x"}, where, false).code, ExitCode::kFailed);
}

TEST(Daemon, OnlyAChangeWhoseAnswerIsLostIsUncertain) {
    const Daemon::Where where{"s", "r", "c"};
    for (const HttpProblem problem : {HttpProblem::kTimedOut, HttpProblem::kCutOff}) {
        EXPECT_NE(explain({problem, "x"}, where, true).message.find("not known"),
                  std::string::npos);
        EXPECT_EQ(explain({problem, "x"}, where, false).message.find("not known"),
                  std::string::npos);
    }
}

TEST(Daemon, NamesArePercentEncoded) {
    EXPECT_EQ(percent_encode("app-1_x.y~z"), "app-1_x.y~z");
    EXPECT_EQ(percent_encode("a/b ?%\xc3\xa9"), "a%2Fb%20%3F%25%C3%A9");
}

}  // namespace
}  // namespace fairlead::cli
