#include "ctl/agent/drop_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Line = DropReport::Line;
using std::chrono::seconds;

const DropReport::Clock::time_point kStart{};

TEST(AgentDropReport, WhatIsNewIsToldAtOnce) {
    DropReport report;
    DecapCounters counters{};
    EXPECT_THAT(report.observe(counters, kStart), IsEmpty());
    counters[DECAP_SOURCE_NOT_ALLOWED] = 3;
    EXPECT_THAT(report.observe(counters, kStart + seconds(1)),
                ElementsAre(Line{DECAP_SOURCE_NOT_ALLOWED, 3, 3}));
    EXPECT_THAT(report.observe(counters, kStart + seconds(100)), IsEmpty());
}

TEST(AgentDropReport, OneReasonIsToldOnceAnIntervalAndNothingIsLost) {
    DropReport report;
    DecapCounters counters{};
    counters[DECAP_INNER_NOT_VIP] = 1;
    EXPECT_THAT(report.observe(counters, kStart), ElementsAre(Line{DECAP_INNER_NOT_VIP, 1, 1}));
    counters[DECAP_INNER_NOT_VIP] = 500;
    EXPECT_THAT(report.observe(counters, kStart + seconds(9)), IsEmpty());
    EXPECT_THAT(report.observe(counters, kStart + DropReport::kInterval),
                ElementsAre(Line{DECAP_INNER_NOT_VIP, 499, 500}));
}

TEST(AgentDropReport, ReasonsDoNotHideEachOther) {
    DropReport report;
    DecapCounters counters{};
    counters[DECAP_INNER_NOT_VIP] = 1;
    EXPECT_THAT(report.observe(counters, kStart), ElementsAre(Line{DECAP_INNER_NOT_VIP, 1, 1}));
    counters[DECAP_OUTER_FRAGMENT] = 2;
    EXPECT_THAT(report.observe(counters, kStart + seconds(1)),
                ElementsAre(Line{DECAP_OUTER_FRAGMENT, 2, 2}));
}

TEST(AgentDropReport, WhatWasCountedBeforeTheStartIsNotNew) {
    DecapCounters counters{};
    counters[DECAP_INNER_NOT_VIP] = 1000;
    DropReport report(counters);
    EXPECT_THAT(report.observe(counters, kStart), IsEmpty());
    counters[DECAP_INNER_NOT_VIP] = 1002;
    EXPECT_THAT(report.observe(counters, kStart), ElementsAre(Line{DECAP_INNER_NOT_VIP, 2, 1002}));
}

TEST(AgentDropReport, WhatIsUnpackedIsNoDrop) {
    DropReport report;
    DecapCounters counters{};
    counters[DECAP_DECAPSULATED] = 1000;
    EXPECT_THAT(report.observe(counters, kStart), IsEmpty());
}

}  // namespace
}  // namespace fairlead::agent
