#include "ctl/daemon/departures.h"

#include <fstream>

#include <gtest/gtest.h>

#include "ctl/model/intent.h"
#include "tests/unit/ctl/daemon/engine.h"
#include "tests/unit/ctl/model/example.h"
#include "tests/unit/ctl/publish/publish_fixture.h"

namespace fairlead::daemon {
namespace {

class DeparturesTest : public testing::Test {
  protected:
    void SetUp() override {
        auto opened = publish::Publisher::open(directory_.path(), "test", telemetry_, telemetry_);
        ASSERT_TRUE(opened);
        publisher_ = std::move(*opened);
        departures_ = std::make_unique<Departures>(*publisher_, telemetry_);
        publish();
    }
    void publish() {
        publish::DesiredTables tables;
        tables.ports.emplace_back();
        tables.services = model::desired_services(model_.services());
        ASSERT_TRUE(publisher_->publish(tables));
    }
    void remove_app_1() {
        index_ = publisher_->placement("portal", "app-1", model::ip("10.0.4.1"))->index;
        ASSERT_TRUE(*model_.remove({"portal", "app-1"}, {}, model::at(2)));
        publish();
    }
    // The file alone is enough: what stands in it is the engine's affair.
    void leave_flows() { std::ofstream(directory_.path() + "/flows") << "flows"; }
    // One look, at an engine whose workers have turned since the last one, unless they stand still.
    bool look() {
        rounds_ += does_turn_ ? 2 : 0;
        return departures_->look(model_, rounds_);
    }
    bool is_there() { return model::find_backend(model_.services()[0], "app-1") != nullptr; }

    publish::TemporaryDirectory directory_;
    publish::TelemetryView telemetry_{directory_.path()};
    std::unique_ptr<publish::Publisher> publisher_;
    std::unique_ptr<Departures> departures_;
    model::Model model_ = model::healthy_model();
    BackendIndex index_{};
    std::uint64_t rounds_ = 0;
    bool does_turn_ = true;
};

TEST_F(DeparturesTest, WhereNoEngineHasEverRunARemovedBackendGoesAtOnce) {
    remove_app_1();
    EXPECT_TRUE(look());
    EXPECT_FALSE(is_there());
}

TEST_F(DeparturesTest, TheFlowsOfAnEngineThatEndedWaitForTheNextOne) {
    leave_flows();
    remove_app_1();
    for (int number = 0; number < 5; ++number) {
        EXPECT_FALSE(look());
    }
    Engine next(directory_.path());
    EXPECT_FALSE(look()) << "it has not counted them yet";
    EXPECT_FALSE(look());
    next.hold_flows(index_, 1);
    next.acknowledge(publisher_->generation());
    EXPECT_FALSE(look());
    next.hold_flows(index_, 0);
    EXPECT_FALSE(look());
    EXPECT_TRUE(look());
    EXPECT_FALSE(is_there());
}

TEST_F(DeparturesTest, FlowsThatWaitInTablesOfAnotherSizeKeepIt) {
    Engine engine(directory_.path());
    engine.search_old_flows(true);
    remove_app_1();
    engine.acknowledge(publisher_->generation());
    for (int number = 0; number < 5; ++number) {
        EXPECT_FALSE(look());
    }
    engine.search_old_flows(false);
    EXPECT_FALSE(look());
    EXPECT_TRUE(look());
}

TEST_F(DeparturesTest, ItStaysWhileItHasFlowsAndGoesAfterTwoEmptyLooks) {
    Engine engine(directory_.path());
    remove_app_1();
    engine.acknowledge(publisher_->generation());
    engine.hold_flows(index_, 2);
    EXPECT_FALSE(look());
    EXPECT_FALSE(look());
    engine.hold_flows(index_, 0);
    EXPECT_FALSE(look()) << "one look may fall between two packets";
    EXPECT_TRUE(is_there());
    EXPECT_TRUE(look());
    EXPECT_FALSE(is_there());
}

TEST_F(DeparturesTest, ItStaysUntilEveryWorkerHasStoppedSendingItNewFlows) {
    Engine engine(directory_.path());
    remove_app_1();
    engine.acknowledge(publisher_->generation() - 1);
    for (int number = 0; number < 5; ++number) {
        EXPECT_FALSE(look());
    }
    engine.acknowledge(publisher_->generation());
    EXPECT_FALSE(look());
    EXPECT_TRUE(look());
}

TEST_F(DeparturesTest, AnEngineThatStandsStillCountsNothing) {
    Engine engine(directory_.path());
    remove_app_1();
    engine.acknowledge(publisher_->generation());
    does_turn_ = false;
    for (int number = 0; number < 5; ++number) {
        EXPECT_FALSE(look());
    }
    does_turn_ = true;
    EXPECT_TRUE(look());
}

TEST_F(DeparturesTest, AFlowBetweenTwoLooksStartsTheCountAgain) {
    Engine engine(directory_.path());
    remove_app_1();
    engine.acknowledge(publisher_->generation());
    EXPECT_FALSE(look());
    engine.hold_flows(index_, 1);
    EXPECT_FALSE(look());
    engine.hold_flows(index_, 0);
    EXPECT_FALSE(look());
    EXPECT_TRUE(look());
}

}  // namespace
}  // namespace fairlead::daemon
