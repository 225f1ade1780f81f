#include "ctl/agent/watch_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Kind = WatchReport::Kind;
using Line = WatchReport::Line;
using std::chrono::seconds;

const WatchReport::Clock::time_point kStart{};

TEST(AgentWatchReport, AChangeIsToldAtOnceAndOnlyOnce) {
    WatchReport report;
    report.mended("arp_ignore", "was 0, is 1");
    EXPECT_THAT(report.lines(kStart),
                ElementsAre(Line{Kind::kMended, "arp_ignore", "was 0, is 1", 1, 1}));
    EXPECT_THAT(report.lines(kStart + seconds(100)), IsEmpty());
}

TEST(AgentWatchReport, AFightIsToldOnceAnIntervalWithTheNumberOfChanges) {
    WatchReport report;
    report.mended("arp_ignore", "was 0, is 1");
    EXPECT_THAT(report.lines(kStart), testing::SizeIs(1));
    for (int second = 1; second < 10; ++second) {
        report.mended("arp_ignore", "was 3, is 1");
        EXPECT_THAT(report.lines(kStart + seconds(second)), IsEmpty());
    }
    EXPECT_THAT(report.lines(kStart + WatchReport::kInterval),
                ElementsAre(Line{Kind::kMended, "arp_ignore", "was 3, is 1", 9, 10}));
}

TEST(AgentWatchReport, ChangesOfOneSettingDoNotHideThoseOfAnother) {
    WatchReport report;
    report.mended("arp_ignore", "a");
    EXPECT_THAT(report.lines(kStart), testing::SizeIs(1));
    report.mended("arp_announce", "b");
    EXPECT_THAT(report.lines(kStart + seconds(1)),
                ElementsAre(Line{Kind::kMended, "arp_announce", "b", 1, 1}));
}

TEST(AgentWatchReport, AProblemIsToldWhenItComesNowAndThenAndWhenItIsOver) {
    WatchReport report;
    report.problem("program", "foreign");
    EXPECT_THAT(report.lines(kStart), ElementsAre(Line{Kind::kError, "program", "foreign"}));
    report.problem("program", "foreign");
    EXPECT_THAT(report.lines(kStart + WatchReport::kReminder - seconds(1)), IsEmpty());
    EXPECT_THAT(report.lines(kStart + WatchReport::kReminder),
                ElementsAre(Line{Kind::kError, "program", "foreign"}));
    report.no_problem("program");
    EXPECT_THAT(report.lines(kStart + WatchReport::kReminder + WatchReport::kInterval),
                ElementsAre(Line{Kind::kOver, "program", "foreign"}));
    EXPECT_THAT(report.lines(kStart + 3 * WatchReport::kReminder), IsEmpty());
}

TEST(AgentWatchReport, AProblemThatComesAndGoesIsNotToldEachTime) {
    WatchReport report;
    report.problem("program", "foreign");
    EXPECT_THAT(report.lines(kStart), testing::SizeIs(1));
    for (int second = 1; second < 10; ++second) {
        report.no_problem("program");
        EXPECT_THAT(report.lines(kStart + seconds(second)), IsEmpty());
        report.problem("program", "foreign");
        EXPECT_THAT(report.lines(kStart + seconds(second)), IsEmpty());
    }
}

TEST(AgentWatchReport, AnotherProblemOfTheSameThingIsToldAfterTheInterval) {
    WatchReport report;
    report.problem("program", "foreign");
    EXPECT_THAT(report.lines(kStart), testing::SizeIs(1));
    report.problem("program", "no permission", WatchReport::Level::kWarning);
    EXPECT_THAT(report.lines(kStart + seconds(9)), IsEmpty());
    EXPECT_THAT(report.lines(kStart + WatchReport::kInterval),
                ElementsAre(Line{Kind::kWarning, "program", "no permission"}));
}

TEST(AgentWatchReport, AProblemThatWasNeverToldEndsWithoutAWord) {
    WatchReport report;
    report.problem("program", "foreign");
    report.no_problem("program");
    report.no_problem("another");
    EXPECT_THAT(report.lines(kStart), IsEmpty());
}

}  // namespace
}  // namespace fairlead::agent
