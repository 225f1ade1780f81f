#include "dp/base/log.h"

#include <string>

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

}  // namespace
}  // namespace fairlead
