#include "ctl/cli/units.h"

#include <gtest/gtest.h>

namespace fairlead::cli {
namespace {

using namespace std::chrono_literals;

TEST(Units, BytesHaveThreeDigitsAndAUnit) {
    EXPECT_EQ(bytes(0), "0 B");
    EXPECT_EQ(bytes(999), "999 B");
    EXPECT_EQ(bytes(1000), "0.98 KiB");
    EXPECT_EQ(bytes(1024), "1.00 KiB");
    EXPECT_EQ(bytes(1536), "1.50 KiB");
    EXPECT_EQ(bytes(10'239), "10.0 KiB");
    EXPECT_EQ(bytes(102'400), "100 KiB");
    EXPECT_EQ(bytes(1'048'064), "1.00 MiB");
    EXPECT_EQ(bytes(UINT64_MAX), "16.0 EiB");
}

TEST(Units, DurationsHaveTwoUnitsAtMost) {
    EXPECT_EQ(duration(0ms), "0 ms");
    EXPECT_EQ(duration(999ms), "999 ms");
    EXPECT_EQ(duration(3'250ms), "3.2 s");
    EXPECT_EQ(duration(59'999ms), "59.9 s");
    EXPECT_EQ(duration(250s), "4m10s");
    EXPECT_EQ(duration(125min), "2h05m");
    EXPECT_EQ(duration(76h), "3d04h");
}

TEST(Units, CountsAgreeWithTheirNoun) {
    EXPECT_EQ(counted(0, "flow"), "0 flows");
    EXPECT_EQ(counted(1, "flow"), "1 flow");
    EXPECT_EQ(in_milliseconds(0.42), "0.4 ms");
    EXPECT_EQ(in_milliseconds(12.6), "13 ms");
}

TEST(Units, AgeReadsEveryFormOfRfc3339) {
    const auto now = std::chrono::system_clock::from_time_t(1'700'000'000);  // 22:13:20 UTC
    EXPECT_EQ(age("2023-11-14T22:13:00Z", now), "20s");
    EXPECT_EQ(age("2023-11-14T22:13:00.999Z", now), "20s");
    EXPECT_EQ(age("2023-11-14T23:03:20+01:00", now), "10m00s");
    EXPECT_EQ(age("2023-11-14T17:13:20-05:00", now), "0s");
    EXPECT_EQ(age("2023-11-15T00:00:00Z", now), "0s");  // a clock that was set back
    EXPECT_EQ(age("", now), "-");
    EXPECT_EQ(age("yesterday", now), "yesterday");
    EXPECT_EQ(age("2023-11-14T22:13:00", now), "2023-11-14T22:13:00");
}

TEST(Units, DurationsAreReadWithTheirUnitOnly) {
    EXPECT_EQ(parse_duration("500ms").value(), 500ms);
    EXPECT_EQ(parse_duration("30s").value(), 30s);
    EXPECT_EQ(parse_duration("5m").value(), 5min);
    EXPECT_EQ(parse_duration("1h").value(), 1h);
    for (const char* wrong :
         {"", "30", "s", "-1s", "3x", "1.5s", "99999999999999999999s", "9000h"}) {
        EXPECT_FALSE(parse_duration(wrong)) << wrong;
    }
}

}  // namespace
}  // namespace fairlead::cli
