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

}  // namespace
}  // namespace fairlead::publish
