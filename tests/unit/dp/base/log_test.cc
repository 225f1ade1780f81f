#include "dp/base/log.h"

#include <chrono>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace fairlead {
namespace {

TEST(Log, FieldsFollowTheEventInTheirOrder) {
    EXPECT_EQ(format_log_line("vip-added", {{"vip", "203.0.113.10"}, {"interface", "lo"}}),
              "event=vip-added vip=203.0.113.10 interface=lo");
}

TEST(Log, AnEventNeedsNoFields) {
    EXPECT_EQ(format_log_line("ready", {}), "event=ready");
}

TEST(Log, NumbersAndBooleansAreWrittenPlainly) {
    EXPECT_EQ(
        format_log_line("x", {{"count", 18446744073709551615ULL}, {"delta", -3}, {"up", true}}),
        "event=x count=18446744073709551615 delta=-3 up=true");
}

TEST(Log, ValuesThatWouldBreakTheLineAreQuoted) {
    EXPECT_EQ(format_log_line("x", {{"a", "two words"}}), R"(event=x a="two words")");
    EXPECT_EQ(format_log_line("x", {{"a", "k=v"}}), R"(event=x a="k=v")");
    EXPECT_EQ(format_log_line("x", {{"a", R"(say "no" \)"}}), R"(event=x a="say \"no\" \\")");
    EXPECT_EQ(format_log_line("x", {{"a", "one\ntwo\x01"}}), R"(event=x a="one\ntwo\x01")");
    EXPECT_EQ(format_log_line("x", {{"a", ""}}), R"(event=x a="")");
}

TEST(Log, TextBeyondAsciiStaysReadable) {
    EXPECT_EQ(format_log_line("x", {{"name", "zürich"}}), "event=x name=zürich");
}

TEST(Log, ALineCarriesTimeAndLevelAndGoesToStderr) {
    testing::internal::CaptureStderr();
    log_warning("tunnel-refused", {{"source", "10.0.9.9"}});
    const std::string line = testing::internal::GetCapturedStderr();
    EXPECT_NE(line.find("Z warning event=tunnel-refused source=10.0.9.9\n"), std::string::npos)
        << line;
    EXPECT_EQ(line.find('T'), 10U) << line;
}

// Stderr is a pipe of 64 KiB, which nobody reads until read() is called.
class StuckLog : public testing::Test {
  protected:
    using Clock = std::chrono::steady_clock;

    void SetUp() override {
        ASSERT_EQ(::pipe2(ends_, O_CLOEXEC), 0);
        ASSERT_GT(::fcntl(ends_[1], F_SETPIPE_SZ, 65'536), 0);
        ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
        stderr_ = ::dup(STDERR_FILENO);
        ::dup2(ends_[1], STDERR_FILENO);
    }
    void TearDown() override {
        ::dup2(stderr_, STDERR_FILENO);
        for (const int descriptor : {ends_[0], ends_[1], stderr_}) {
            ::close(descriptor);
        }
    }
    std::string read() {
        std::string text(1U << 20U, ' ');
        const ssize_t bytes = ::read(ends_[0], text.data(), text.size());
        text.resize(bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
        return text;
    }
    static Clock::duration log_many(int lines) {
        const auto begin = Clock::now();
        for (int i = 0; i < lines; ++i) {
            log_info("line", {{"number", i}});
        }
        return Clock::now() - begin;
    }

    int ends_[2] = {-1, -1};
    int stderr_ = -1;
    std::uint64_t lost_before_ = lost_log_lines();
};

TEST_F(StuckLog, APipeThatNobodyReadsStopsNobodyAndWhatIsLostIsCounted) {
    const auto took = log_many(3'000);
    EXPECT_LT(took, kLogPatience + std::chrono::milliseconds(200))
        << "it waits once, not a thousand times";
    const std::uint64_t lost = lost_log_lines() - lost_before_;
    EXPECT_GT(lost, 1'000);
    EXPECT_NE(read().find("event=line number=0\n"), std::string::npos);
    log_info("after", {});
    const std::string after = read();
    EXPECT_NE(after.find("warning event=log-lost lines=" + std::to_string(lost) + "\n"),
              std::string::npos)
        << after;
    EXPECT_NE(after.find("info event=after\n"), std::string::npos) << after;
    EXPECT_EQ(lost_log_lines() - lost_before_, lost);
}

TEST_F(StuckLog, InTheBackgroundTheOldestLinesOfAFullQueueAreLost) {
    constexpr int kLines = 3 * BackgroundLog::kQueuedLines;
    const auto begin = Clock::now();
    {
        const BackgroundLog background;
        EXPECT_LT(log_many(kLines), std::chrono::seconds(2));
        EXPECT_GT(lost_log_lines() - lost_before_, BackgroundLog::kQueuedLines);
    }
    EXPECT_LT(Clock::now() - begin, BackgroundLog::kLogFarewell + std::chrono::seconds(3))
        << "the end waits for nobody either";
    EXPECT_GT(lost_log_lines() - lost_before_, kLines - 2'000) << "what was queued is lost then";
}

TEST_F(StuckLog, InTheBackgroundWhatIsQueuedIsWrittenAtTheEnd) {
    {
        const BackgroundLog background;
        log_info("first", {});
        log_info("last", {});
    }
    const std::string text = read();
    EXPECT_LT(text.find("event=first\n"), text.find("event=last\n"));
    EXPECT_EQ(lost_log_lines(), lost_before_);
}

}  // namespace
}  // namespace fairlead
