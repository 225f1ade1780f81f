#include "ctl/metrics/format.h"

#include <gtest/gtest.h>

#include "ctl/metrics/text.h"

namespace fairlead::metrics {
namespace {

TEST(Format, IsWhatTheScraperAccepts) {
    for (const char* const open_metrics :
         {"application/openmetrics-text",
          "application/openmetrics-text; version=1.0.0; charset=utf-8",
          "Application/OpenMetrics-Text;version=1.0.0,text/plain;q=0.5",
          "text/plain;version=0.0.4;q=0.5 , application/openmetrics-text ;q=0.75",
          // As Prometheus 2.42 asks.
          "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
          "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}) {
        EXPECT_EQ(format_for(open_metrics), Format::kOpenMetrics) << open_metrics;
    }
    for (const char* const text : {"",
                                   "*/*",
                                   "text/plain",
                                   "application/openmetrics-text;q=0",
                                   "application/openmetrics-text;q=0.000",
                                   "application/openmetrics-text;version=0.0.1",
                                   "application/openmetrics-textual",
                                   ",;,=;,",
                                   "text/plain;x=application/openmetrics-text"}) {
        EXPECT_EQ(format_for(text), Format::kText) << text;
    }
}

std::string written(Format format) {
    TextWriter out(format);
    out.family("a_total", Type::kCounter, "Counts.");
    out.sample("", "", 1);
    out.family("b_total", Type::kGauge, "Is none.");
    out.sample("", "", 0.5);
    return out.take();
}

TEST(Format, NamesACountersFamilyByItsRules) {
    EXPECT_EQ(written(Format::kText),
              "# HELP a_total Counts.\n# TYPE a_total counter\na_total 1\n"
              "# HELP b_total Is none.\n# TYPE b_total gauge\nb_total 0.5\n");
    EXPECT_EQ(written(Format::kOpenMetrics),
              "# HELP a Counts.\n# TYPE a counter\na_total 1\n"
              "# HELP b_total Is none.\n# TYPE b_total gauge\nb_total 0.5\n# EOF\n");
}

TEST(Format, WritesBoundsWithoutExponents) {
    EXPECT_EQ(decimal_text(0.0005), "0.0005");
    EXPECT_EQ(decimal_text(1), "1.0");
    EXPECT_EQ(decimal_text(2.5), "2.5");
    EXPECT_EQ(decimal_text(1e21).size(), 24U);
}

}  // namespace
}  // namespace fairlead::metrics
