#include "ctl/daemon/tables_problem.h"

#include <filesystem>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dp/shm/segment.h"
#include "tests/unit/ctl/publish/publish_fixture.h"

namespace fairlead::daemon {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kBlocks = sizeof(shm::TelemetryHeader);

// A daemon with its tables, and the telemetry of an engine of one worker.
class TablesProblemTest : public testing::Test {
  protected:
    TablesProblemTest()
        : publisher_(
              publish::Publisher::open(directory_.path(), "test", worker_, counters_).value()),
          telemetry_(directory_.path()) {}

    // An engine that has turned, follows the tables of that instance, and whose worker has
    // acknowledged that generation.
    void run_engine(std::uint64_t instance, std::uint64_t acknowledged) {
        engine_ = std::make_unique<shm::Segment>(
            shm::Segment::create(shm::kTelemetry,
                                 directory_.path(),
                                 kBlocks + sizeof(shm::WorkerBlock),
                                 "test",
                                 [](std::span<std::byte> bytes) { describe(bytes); })
                .value());
        header().control_heartbeat.set(1);
        set(instance, acknowledged);
        EXPECT_EQ(telemetry_.refresh(), "");
    }
    void set(std::uint64_t instance, std::uint64_t acknowledged) {
        header().tables_instance = instance;
        worker_block().acknowledged = acknowledged;
    }
    [[nodiscard]] std::optional<Problem> problem() const {
        return tables_problem(*publisher_, telemetry_);
    }
    [[nodiscard]] bool is_critical() const { return problem() && problem()->is_critical; }
    [[nodiscard]] std::string file() const { return directory_.path() + "/tables"; }
    [[nodiscard]] shm::TelemetryHeader& header() const {
        return engine_->header<shm::TelemetryHeader>();
    }

    publish::TemporaryDirectory directory_;
    publish::OneWorker worker_;
    publish::NoCounters counters_;
    std::unique_ptr<publish::Publisher> publisher_;
    publish::TelemetryView telemetry_;
    std::unique_ptr<shm::Segment> engine_;

  private:
    static void describe(std::span<std::byte> bytes) {
        // A mapping begins at a page.
        auto& header = *static_cast<shm::TelemetryHeader*>(static_cast<void*>(bytes.data()));
        header.workers = 1;
        header.workers_offset = kBlocks;
        header.services_offset = kBlocks;
        header.backends_offset = kBlocks;
        header.worker_count = 1;
    }
    [[nodiscard]] shm::WorkerBlock& worker_block() const {
        return *static_cast<shm::WorkerBlock*>(
            static_cast<void*>(engine_->bytes().subspan(kBlocks).data()));
    }
};

TEST_F(TablesProblemTest, AnEngineThatFollowsTheseTablesHasNone) {
    EXPECT_FALSE(problem()) << "no engine runs";
    run_engine(publisher_->instance(), 1);
    EXPECT_FALSE(problem());
}

TEST_F(TablesProblemTest, AnEngineThatFindsNoneThatFitForwardsNothing) {
    run_engine(0, 0);
    header().control_heartbeat.set(0);
    EXPECT_FALSE(problem()) << "it opens its ports yet";
    header().control_heartbeat.set(1);
    ASSERT_TRUE(is_critical());
    EXPECT_THAT(problem()->sentence, HasSubstr("nothing is forwarded"));
}

TEST_F(TablesProblemTest, OtherTablesAreAWarningAsLongAsTheEngineForwardsByThem) {
    run_engine(publisher_->instance() + 1, 7);
    ASSERT_TRUE(problem());
    EXPECT_FALSE(is_critical());
    set(publisher_->instance() + 1, 0);
    EXPECT_TRUE(is_critical());
}

TEST_F(TablesProblemTest, ARemovedFileIsAWarningAsLongAsTheEngineForwardsByIt) {
    std::filesystem::rename(file(), file() + ".away");
    ASSERT_TRUE(problem());
    EXPECT_FALSE(is_critical()) << "that no engine runs is told by itself";
    run_engine(publisher_->instance(), 7);
    EXPECT_FALSE(is_critical());
    set(0, 0);
    ASSERT_TRUE(is_critical()) << "the engine has nothing to begin with";
    EXPECT_THAT(problem()->sentence, HasSubstr("nothing is forwarded; restart lbd"));
}

TEST_F(TablesProblemTest, ACutFileIsCriticalWhereTheEngineForwardsByIt) {
    run_engine(publisher_->instance() + 1, 7);
    std::filesystem::resize_file(file(), 4'096);
    ASSERT_TRUE(problem());
    EXPECT_FALSE(is_critical()) << "it forwards by another one, which is whole";
    set(publisher_->instance(), 7);
    ASSERT_TRUE(is_critical());
    EXPECT_THAT(problem()->sentence, HasSubstr("what stood there is not forwarded"));
}

}  // namespace
}  // namespace fairlead::daemon
