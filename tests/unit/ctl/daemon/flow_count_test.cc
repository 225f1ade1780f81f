#include "ctl/daemon/flow_count.h"

#include <memory>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ctl/daemon/engine.h"
#include "tests/unit/ctl/publish/publish_fixture.h"

namespace fairlead::daemon {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class FlowCountTest : public testing::Test {
  protected:
    void SetUp() override {
        engine_.emplace(directory_.path());
        engine_->acknowledge(kGeneration);
        look();
        look();
    }
    void look(bool does_turn = true) {
        now_ += 250ms;
        if (engine_ && does_turn) {
            engine_->turn();
        }
        telemetry_.refresh();
        watch_.look(telemetry_.engine_lives(), telemetry_.header(), telemetry_.workers(), now_);
    }
    [[nodiscard]] Result<FlowCount> count() { return flow_count(watch_, telemetry_, kGeneration); }
    [[nodiscard]] std::string problem() {
        const auto counted = count();
        return counted ? "" : counted.error().message;
    }

    static constexpr std::uint64_t kGeneration = 7;
    publish::TemporaryDirectory directory_;
    publish::TelemetryView telemetry_{directory_.path()};
    EngineWatch watch_;
    EngineWatch::Clock::time_point now_{1h};
    std::optional<Engine> engine_;
};

TEST_F(FlowCountTest, EachRoundOfTheWorkersIsACount) {
    const auto first = count();
    ASSERT_TRUE(first) << problem();
    EXPECT_EQ(first->engine_started_ns, 1);
    look();
    EXPECT_EQ(count()->number, first->number + 1);
}

TEST_F(FlowCountTest, AWorkerThatStandsStillCountsNothing) {
    const auto before = count();
    look(false);
    ASSERT_TRUE(count()) << "nobody knows yet that it does";
    EXPECT_EQ(count()->number, before->number) << "but it is no new count";
    for (int i = 0; i < 8; ++i) {
        look(false);
    }
    EXPECT_EQ(problem(), "the engine (lbdp, pid 77) stands still");
}

TEST_F(FlowCountTest, AWorkerThatHasNotFollowedTheChangeCountsNothing) {
    engine_->acknowledge(kGeneration - 1);
    EXPECT_THAT(problem(), HasSubstr("worker 0 on CPU 0 has not followed the last change"));
    engine_->acknowledge(0);
    look();
    EXPECT_THAT(problem(), HasSubstr("has just started"));
}

TEST_F(FlowCountTest, AnEngineThatIsGoneCountsNothing) {
    engine_.reset();
    EXPECT_EQ(problem(), "the engine is not running") << "also between two looks";
    look();
    EXPECT_EQ(problem(), "the engine is not running");
}

TEST_F(FlowCountTest, AnEngineOnOtherTablesCountsNothing) {
    telemetry_.expect_tables(5);
    engine_->follow_tables(4);
    EXPECT_NE(problem(), "");
    engine_->follow_tables(5);
    EXPECT_EQ(problem(), "");
}

TEST_F(FlowCountTest, FlowsThatWaitInTablesOfAnotherSizeAreNotCounted) {
    engine_->search_old_flows(true);
    EXPECT_THAT(problem(), HasSubstr("[engine] cpus or flows has changed"));
}

}  // namespace
}  // namespace fairlead::daemon
