#include "ctl/metrics/text.h"

#include <limits>

#include <gtest/gtest.h>

namespace fairlead::metrics {
namespace {

TEST(MetricsText, AFamilyIsItsHelpItsTypeAndItsSamples) {
    TextWriter out;
    out.family("fairlead_x_total", Type::kCounter, "What it is.");
    out.sample("", "", std::uint64_t{18'446'744'073'709'551'615U});
    out.sample("{a=\"b\"", "", 1.5);
    out.sample("{a=\"b\"", ",c=\"d\"", true);
    out.sample("", ",c=\"d\"", -3);
    EXPECT_EQ(out.take(),
              "# HELP fairlead_x_total What it is.\n"
              "# TYPE fairlead_x_total counter\n"
              "fairlead_x_total 18446744073709551615\n"
              "fairlead_x_total{a=\"b\"} 1.5\n"
              "fairlead_x_total{a=\"b\",c=\"d\"} 1\n"
              "fairlead_x_total{c=\"d\"} -3\n");
}

TEST(MetricsText, AHistogramHasSuffixes) {
    TextWriter out;
    out.family("fairlead_y_seconds", Type::kHistogram, "How long.");
    out.suffixed("_bucket", "", ",le=\"+Inf\"", 2);
    out.suffixed("_sum", "", "", 0.25);
    EXPECT_EQ(out.take(),
              "# HELP fairlead_y_seconds How long.\n"
              "# TYPE fairlead_y_seconds histogram\n"
              "fairlead_y_seconds_bucket{le=\"+Inf\"} 2\n"
              "fairlead_y_seconds_sum 0.25\n");
}

TEST(MetricsText, LabelValuesAreEscaped) {
    EXPECT_EQ(label("a", "plain"), "a=\"plain\"");
    EXPECT_EQ(label("a", "q\"b\\n\n."), "a=\"q\\\"b\\\\n\\n.\"");
    EXPECT_EQ(label("a", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"),
              "a=\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"");
}

TEST(MetricsText, WhatIsNoUtf8IsReplaced) {
    constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
    for (const std::string_view bad :
         {"\xFF", "\x80", "\xC0", "\xC3", "\xF8", "\x01", "\x7F\x1F"}) {
        EXPECT_NE(label("a", bad).find(kReplacement), std::string::npos);
    }
    EXPECT_EQ(label("a", "\xE0\x80\x80").find('\xE0'), std::string::npos) << "overlong";
    EXPECT_EQ(label("a", "\xED\xA0\x80").find('\xED'), std::string::npos) << "a surrogate";
    EXPECT_EQ(label("a", "\xF4\x90\x80\x80").find('\xF4'), std::string::npos) << "above U+10FFFF";
}

TEST(MetricsText, NumbersAreSpelledAsTheFormatWants) {
    EXPECT_EQ(number_text(0.1), "0.1");
    EXPECT_EQ(number_text(1e300), "1e+300");
    EXPECT_EQ(number_text(std::numeric_limits<double>::infinity()), "+Inf");
    EXPECT_EQ(number_text(-std::numeric_limits<double>::infinity()), "-Inf");
    EXPECT_EQ(number_text(std::numeric_limits<double>::quiet_NaN()), "NaN");
}

}  // namespace
}  // namespace fairlead::metrics
