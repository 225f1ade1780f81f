#include "ctl/publish/telemetry_view.h"

#include <limits>
#include <optional>

#include <gtest/gtest.h>

#include "tests/unit/ctl/publish/publish_fixture.h"

namespace fairlead::publish {
namespace {

constexpr std::uint64_t kNobody = std::numeric_limits<std::uint64_t>::max();

// What an engine of another version makes, and its lock.
shm::Segment make_other_version(const std::string& run_dir) {
    shm::SegmentKind other = shm::kTelemetry;
    ++other.fingerprint;
    auto made = shm::Segment::create(other, run_dir, 4'096, "9.9.9", [](std::span<std::byte>) {});
    EXPECT_TRUE(made);
    return std::move(*made);
}

TEST(TelemetryView, NobodyHoldsAnythingWhereNoEngineHasRun) {
    const TemporaryDirectory directory;
    TelemetryView view(directory.path());
    EXPECT_NE(view.refresh(), "");
    EXPECT_FALSE(view.engine_lives());
    EXPECT_EQ(view.lowest(), kNobody);
    EXPECT_FALSE(view.counts_flows());
}

TEST(TelemetryView, AnEngineThatCannotBeReadHoldsEverythingAsLongAsItLives) {
    const TemporaryDirectory directory;
    TelemetryView view(directory.path());
    std::optional<shm::Segment> engine = make_other_version(directory.path());
    EXPECT_NE(view.refresh().find("9.9.9"), std::string::npos) << view.refresh();
    EXPECT_TRUE(view.engine_lives());
    EXPECT_EQ(view.lowest(), 0U) << "no slot is free that it may read";
    EXPECT_FALSE(view.counts_flows());
    EXPECT_EQ(view.header(), nullptr);
    EXPECT_TRUE(view.workers().empty());
    EXPECT_TRUE(view.used_workers().empty());
    engine.reset();
    EXPECT_FALSE(view.engine_lives());
    EXPECT_EQ(view.lowest(), kNobody);
}

TEST(TelemetryView, AnEngineThatFollowsOtherTablesHasAcknowledgedNothing) {
    const TemporaryDirectory directory;
    constexpr std::uint64_t kInstance = 7;
    constexpr std::uint64_t kBlocks = sizeof(shm::TelemetryHeader);
    auto made = shm::Segment::create(
        shm::kTelemetry,
        directory.path(),
        kBlocks + sizeof(shm::WorkerBlock),
        "test",
        [](std::span<std::byte> bytes) {
            // A mapping begins at a page.
            auto& header = *static_cast<shm::TelemetryHeader*>(static_cast<void*>(bytes.data()));
            header.workers = 1;
            header.workers_offset = kBlocks;
            header.services_offset = kBlocks;
            header.backends_offset = kBlocks;
            header.worker_count = 1;
            auto& block =
                *static_cast<shm::WorkerBlock*>(static_cast<void*>(bytes.data() + kBlocks));
            block.acknowledged = 41;
        });
    ASSERT_TRUE(made);
    auto& header = made->header<shm::TelemetryHeader>();
    TelemetryView view(directory.path());
    EXPECT_EQ(view.refresh(), "");
    EXPECT_FALSE(view.follows_tables()) << "it waits for some";
    header.tables_instance = kInstance + 1;
    EXPECT_TRUE(view.follows_tables());
    EXPECT_EQ(view.lowest(), 41U) << "nothing is expected";
    view.expect_tables(kInstance);
    EXPECT_EQ(view.lowest(), 0U);
    header.tables_instance = kInstance;
    EXPECT_EQ(view.lowest(), 41U);
    made = Unexpected{Error{}};
    EXPECT_EQ(view.lowest(), kNobody);
    EXPECT_FALSE(view.follows_tables());
}

}  // namespace
}  // namespace fairlead::publish
