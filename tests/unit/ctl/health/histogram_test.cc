#include "ctl/health/histogram.h"

#include <gtest/gtest.h>

namespace fairlead::health {
namespace {

using namespace std::chrono_literals;

TEST(DurationHistogram, BoundsAreInclusiveAndAscending) {
    DurationHistogram histogram;
    EXPECT_TRUE(
        std::is_sorted(DurationHistogram::kBounds.begin(), DurationHistogram::kBounds.end()));
    histogram.add(0ns);
    histogram.add(500us);
    histogram.add(500us + 1ns);
    histogram.add(1ms);
    histogram.add(10s);
    EXPECT_EQ(histogram.buckets().front(), 2U);
    EXPECT_EQ(histogram.buckets()[1], 2U);
    EXPECT_EQ(histogram.buckets().back(), 1U);
    EXPECT_EQ(histogram.count(), 5U);
    EXPECT_EQ(histogram.sum(), 10s + 2ms + 1ns);
}

TEST(DurationHistogram, WhatIsLongerThanEveryBoundIsStillCounted) {
    DurationHistogram histogram;
    histogram.add(11s);
    EXPECT_EQ(histogram.count(), 1U);
    for (const std::uint64_t bucket : histogram.buckets()) {
        EXPECT_EQ(bucket, 0U);
    }
}

}  // namespace
}  // namespace fairlead::health
