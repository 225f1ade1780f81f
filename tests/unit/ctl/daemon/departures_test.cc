#include "ctl/daemon/departures.h"

#include <fstream>

#include <gtest/gtest.h>

#include "ctl/model/intent.h"
#include "dp/shm/segment.h"
#include "tests/unit/ctl/model/example.h"
#include "tests/unit/ctl/publish/publish_fixture.h"

namespace fairlead::daemon {
namespace {

// An engine of one worker that acknowledges and holds flows as it is told. It lives as long as the
// object: the segment's lock is of its own descriptor.
class Engine {
  public:
    explicit Engine(const std::string& run_dir) {
        constexpr std::uint64_t kWorkers = sizeof(shm::TelemetryHeader);
        constexpr std::uint64_t kServices = kWorkers + sizeof(shm::WorkerBlock);
        constexpr std::uint64_t kBackends = kServices + sizeof(shm::ServiceCounters);
        auto made = shm::Segment::create(shm::kTelemetry,
                                         run_dir,
                                         kBackends + 64 * sizeof(shm::BackendCounters),
                                         "test",
                                         [](std::span<std::byte> bytes) {
                                             auto& header = *static_cast<shm::TelemetryHeader*>(
                                                 static_cast<void*>(bytes.data()));  // page-aligned
                                             header.workers = 1;
                                             header.services = 1;
                                             header.backends = 64;
                                             header.workers_offset = kWorkers;
                                             header.services_offset = kServices;
                                             header.backends_offset = kBackends;
                                             header.worker_count = 1;
                                         });
        EXPECT_TRUE(made);
        segment_ = std::move(*made);
        worker_ = static_cast<shm::WorkerBlock*>(static_cast<void*>(&segment_.bytes()[kWorkers]));
        backends_ =
            static_cast<shm::BackendCounters*>(static_cast<void*>(&segment_.bytes()[kBackends]));
    }
    void search_old_flows(bool does) {
        segment_.header<shm::TelemetryHeader>().searches_old_flows = does ? 1 : 0;
    }
    void acknowledge(std::uint64_t generation) { worker_->acknowledged = generation; }
    void hold_flows(BackendIndex index, std::uint64_t count) {
        backends_[to_number(index)].active_flows.set(count);
    }

  private:
    shm::Segment segment_;
    shm::WorkerBlock* worker_ = nullptr;
    shm::BackendCounters* backends_ = nullptr;
};

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
    bool is_there() { return model::find_backend(model_.services()[0], "app-1") != nullptr; }

    publish::TemporaryDirectory directory_;
    publish::TelemetryView telemetry_{directory_.path()};
    std::unique_ptr<publish::Publisher> publisher_;
    std::unique_ptr<Departures> departures_;
    model::Model model_ = model::healthy_model();
    BackendIndex index_{};
};

TEST_F(DeparturesTest, WhereNoEngineHasEverRunARemovedBackendGoesAtOnce) {
    remove_app_1();
    EXPECT_TRUE(departures_->look(model_));
    EXPECT_FALSE(is_there());
}

TEST_F(DeparturesTest, TheFlowsOfAnEngineThatEndedWaitForTheNextOne) {
    leave_flows();
    remove_app_1();
    for (int look = 0; look < 5; ++look) {
        EXPECT_FALSE(departures_->look(model_));
    }
    Engine next(directory_.path());
    EXPECT_FALSE(departures_->look(model_)) << "it has not counted them yet";
    EXPECT_FALSE(departures_->look(model_));
    next.hold_flows(index_, 1);
    next.acknowledge(publisher_->generation());
    EXPECT_FALSE(departures_->look(model_));
    next.hold_flows(index_, 0);
    EXPECT_FALSE(departures_->look(model_));
    EXPECT_TRUE(departures_->look(model_));
    EXPECT_FALSE(is_there());
}

TEST_F(DeparturesTest, FlowsThatWaitInTablesOfAnotherSizeKeepIt) {
    Engine engine(directory_.path());
    engine.search_old_flows(true);
    remove_app_1();
    engine.acknowledge(publisher_->generation());
    for (int look = 0; look < 5; ++look) {
        EXPECT_FALSE(departures_->look(model_));
    }
    engine.search_old_flows(false);
    EXPECT_FALSE(departures_->look(model_));
    EXPECT_TRUE(departures_->look(model_));
}

TEST_F(DeparturesTest, ItStaysWhileItHasFlowsAndGoesAfterTwoEmptyLooks) {
    Engine engine(directory_.path());
    remove_app_1();
    engine.acknowledge(publisher_->generation());
    engine.hold_flows(index_, 2);
    EXPECT_FALSE(departures_->look(model_));
    EXPECT_FALSE(departures_->look(model_));
    engine.hold_flows(index_, 0);
    EXPECT_FALSE(departures_->look(model_)) << "one look may fall between two packets";
    EXPECT_TRUE(is_there());
    EXPECT_TRUE(departures_->look(model_));
    EXPECT_FALSE(is_there());
}

TEST_F(DeparturesTest, ItStaysUntilEveryWorkerHasStoppedSendingItNewFlows) {
    Engine engine(directory_.path());
    remove_app_1();
    engine.acknowledge(publisher_->generation() - 1);
    for (int look = 0; look < 5; ++look) {
        EXPECT_FALSE(departures_->look(model_));
    }
    engine.acknowledge(publisher_->generation());
    EXPECT_FALSE(departures_->look(model_));
    EXPECT_TRUE(departures_->look(model_));
}

TEST_F(DeparturesTest, AFlowBetweenTwoLooksStartsTheCountAgain) {
    Engine engine(directory_.path());
    remove_app_1();
    engine.acknowledge(publisher_->generation());
    EXPECT_FALSE(departures_->look(model_));
    engine.hold_flows(index_, 1);
    EXPECT_FALSE(departures_->look(model_));
    engine.hold_flows(index_, 0);
    EXPECT_FALSE(departures_->look(model_));
    EXPECT_TRUE(departures_->look(model_));
}

}  // namespace
}  // namespace fairlead::daemon
