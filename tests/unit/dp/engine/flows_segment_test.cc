#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "dp/engine/segments.h"
#include "tests/unit/dp/engine/run_directory.h"

namespace fairlead::engine {
namespace {

using fairlead::testing::RunDirectory;

constexpr FlowsGeometry kGeometry{.tables = 2, .buckets_per_table = 16};
constexpr std::uint64_t kHash = 0x1234'5678'0000'0005;

Result<Flows> open(const RunDirectory& directory, const FlowsGeometry& geometry = kGeometry) {
    return Flows::open(directory.path(), "1.0", geometry, nullptr);
}

// Lets worker `number` remember a flow.
void remember(const Flows& flows, std::uint32_t number, std::uint64_t hash) {
    shm::WorkerBlock worker{};
    std::vector<shm::BackendCounters> counters(16);
    FlowTable table(flows.table(number), worker, counters);
    const NewFlow flow{.hash = hash, .backend = BackendIndex{3}, .incarnation = 1};
    ASSERT_TRUE(table.insert(flow, FlowEvent::kOpen, FlowTick{1}));
}

TEST(FlowsPlan, HasTablesThatAreHalfFullAtCapacity) {
    for (const std::uint64_t flows : {1'000ULL, 65'536ULL, 1'000'000ULL, 8'388'608ULL}) {
        for (const std::uint32_t workers : {1U, 2U, 3U, 64U}) {
            const FlowsGeometry plan = plan_flows(flows, workers);
            EXPECT_EQ(plan.tables, workers);
            const std::uint64_t slots = plan.buckets_per_table * shm::kFlowsPerBucket * workers;
            EXPECT_GE(slots, 2 * flows);
            EXPECT_LE(slots, 4 * flows + 16ULL * workers * shm::kFlowsPerBucket);
        }
    }
}

TEST(FlowsPlan, HasTwoBucketsAtLeast) {
    EXPECT_EQ(plan_flows(1, 4).buckets_per_table, 2);
}

TEST(FlowsSegment, OutlivesTheEngine) {
    const RunDirectory directory;
    {
        const Result<Flows> first = open(directory);
        ASSERT_TRUE(first) << first.error().message;
        EXPECT_FALSE(first->is_taken_over());
        remember(*first, 1, kHash);
        first->keep_tick(77);
    }
    const Result<Flows> second = open(directory);
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_TRUE(second->is_taken_over());
    EXPECT_TRUE(second->old_tables().empty());
    EXPECT_EQ(second->last_tick(), 77);
    EXPECT_EQ(FlowTableView(second->table(1)).find(kHash).backend(), BackendIndex{3});
    EXPECT_TRUE(FlowTableView(second->table(0)).find(kHash).is_empty());
}

TEST(FlowsSegment, OfAnotherGeometryIsStillReadByTheNextEngine) {
    const RunDirectory directory;
    {
        const Result<Flows> first = open(directory);
        ASSERT_TRUE(first);
        remember(*first, 1, kHash);
        first->keep_tick(77);
    }
    const Result<Flows> second = open(directory, {.tables = 3, .buckets_per_table = 32});
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_FALSE(second->is_taken_over());
    EXPECT_EQ(second->last_tick(), 77);
    EXPECT_EQ(second->table(2).size(), 32);
    const std::vector<FlowTableView> old = second->old_tables();
    ASSERT_EQ(old.size(), 2);
    EXPECT_TRUE(old[0].find(kHash).is_empty());
    EXPECT_EQ(old[1].find(kHash).backend(), BackendIndex{3});
}

TEST(FlowsSegment, ThatIsDamagedIsReplaced) {
    const RunDirectory directory;
    for (const std::uint64_t buckets : {0ULL, 3ULL, 1ULL << 40U}) {
        ASSERT_TRUE(open(directory));
        {
            std::fstream file(directory.path() + "/flows",
                              std::ios::in | std::ios::out | std::ios::binary);
            file.seekp(offsetof(shm::FlowsHeader, buckets_per_table));
            std::array<char, sizeof buckets> bytes{};
            std::memcpy(bytes.data(), &buckets, sizeof buckets);
            file.write(bytes.data(), bytes.size());
        }
        const Result<Flows> next = open(directory);
        ASSERT_TRUE(next) << next.error().message;
        EXPECT_FALSE(next->is_taken_over());
        EXPECT_TRUE(next->old_tables().empty());
        EXPECT_EQ(next->table(1).size(), kGeometry.buckets_per_table);
    }
}

TEST(FlowsSegment, BehindALinkIsTakenOver) {
    // As on a hugetlbfs, without one.
    const RunDirectory directory;
    const RunDirectory elsewhere;
    const std::string target = elsewhere.path() + "/fairlead-0/flows";
    ASSERT_TRUE(open(directory));
    std::filesystem::create_directory(elsewhere.path() + "/fairlead-0");
    std::filesystem::rename(directory.path() + "/flows", target);
    std::filesystem::create_symlink(target, directory.path() + "/flows");

    const Result<Flows> same = open(directory);
    ASSERT_TRUE(same) << same.error().message;
    EXPECT_TRUE(same->is_taken_over());
}

TEST(FlowsSegment, BehindALinkIsReplacedByAFileWithoutLeavingPagesBehind) {
    const RunDirectory directory;
    const RunDirectory elsewhere;
    const std::string target = elsewhere.path() + "/fairlead-0/flows";
    ASSERT_TRUE(open(directory));
    std::filesystem::create_directory(elsewhere.path() + "/fairlead-0");
    std::filesystem::rename(directory.path() + "/flows", target);
    std::filesystem::create_symlink(target, directory.path() + "/flows");

    const Result<Flows> other = open(directory, {.tables = 1, .buckets_per_table = 16});
    ASSERT_TRUE(other) << other.error().message;
    EXPECT_EQ(other->old_tables().size(), 2);
    EXPECT_FALSE(std::filesystem::exists(target));
    EXPECT_FALSE(std::filesystem::is_symlink(directory.path() + "/flows"));
}

}  // namespace
}  // namespace fairlead::engine
