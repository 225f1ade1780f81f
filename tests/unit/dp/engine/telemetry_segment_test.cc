#include <cstring>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dp/engine/segments.h"
#include "tests/unit/dp/engine/run_directory.h"

namespace fairlead::engine {
namespace {

using fairlead::testing::RunDirectory;
using ::testing::HasSubstr;

TEST(TelemetrySegment, GivesEachWorkerCountersOfItsOwn) {
    const RunDirectory directory;
    const Result<Telemetry> telemetry = Telemetry::open(directory.path(), "1.0", 2);
    ASSERT_TRUE(telemetry) << telemetry.error().message;
    telemetry->worker(0).packets.add(1);
    telemetry->services(0)[7].received_packets.add(2);
    telemetry->backends(0)[9].forwarded_packets.add(3);
    EXPECT_EQ(telemetry->worker(1).packets.get(), 0);
    EXPECT_EQ(telemetry->services(1)[7].received_packets.get(), 0);
    EXPECT_EQ(telemetry->backends(1)[9].forwarded_packets.get(), 0);
    // The last one of all lies inside the file.
    telemetry->backends(shm::kMaxWorkers - 1)[shm::kMaxBackends - 1].new_flows.add(4);
    EXPECT_EQ(telemetry->services(0)[7].received_packets.get(), 2);
    EXPECT_EQ(telemetry->backends(0)[9].forwarded_packets.get(), 3);
}

TEST(TelemetrySegment, TellsTheDaemonWhoStarted) {
    const RunDirectory directory;
    const Result<Telemetry> telemetry = Telemetry::open(directory.path(), "1.0", 2);
    ASSERT_TRUE(telemetry);
    const Result<shm::Segment> seen =
        shm::Segment::open_read_only(shm::kTelemetry, directory.path());
    ASSERT_TRUE(seen) << seen.error().message;
    const auto& header = seen->header<shm::TelemetryHeader>();
    EXPECT_EQ(header.worker_count.load(), 2);
    EXPECT_EQ(header.pid.load(), ::getpid());
    EXPECT_STREQ(header.version.data(), "1.0");
}

TEST(TelemetrySegment, RefusesASecondEngine) {
    const RunDirectory directory;
    const Result<Telemetry> first = Telemetry::open(directory.path(), "1.0", 1);
    ASSERT_TRUE(first);
    const Result<Telemetry> second = Telemetry::open(directory.path(), "1.0", 1);
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message, HasSubstr("another lbdp runs on " + directory.path()));
}

TEST(TelemetrySegment, GoesOnCountingAfterARestartAndAcknowledgesNothing) {
    const RunDirectory directory;
    std::uint64_t instance = 0;
    {
        const Result<Telemetry> first = Telemetry::open(directory.path(), "1.0", 2);
        ASSERT_TRUE(first);
        instance = first->header().segment.instance;
        shm::WorkerBlock& block = first->worker(1);
        block.heartbeat.add(1);
        block.packets.add(5);
        block.flow_entries.set(6);
        block.acknowledged.store(42);
        first->backends(1)[3].forwarded_packets.add(7);
        first->backends(1)[3].active_flows.set(8);
    }
    const Result<Telemetry> second = Telemetry::open(directory.path(), "1.1", 1);
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(second->header().segment.instance, instance);
    EXPECT_EQ(second->worker(1).packets.get(), 5);
    EXPECT_EQ(second->backends(1)[3].forwarded_packets.get(), 7);
    EXPECT_EQ(second->worker(1).acknowledged.load(), 0);
    // No worker 1 runs any more: what it held is nobody's, and must not stay in the sums.
    EXPECT_EQ(second->worker(1).flow_entries.get(), 0);
    EXPECT_EQ(second->backends(1)[3].active_flows.get(), 0);
    EXPECT_STREQ(second->header().version.data(), "1.1");
}

TEST(TelemetrySegment, OfAnotherLayoutIsReplacedOnceItsEngineIsGone) {
    const RunDirectory directory;
    const std::string path = directory.path() + "/telemetry";
    {
        const Result<Telemetry> first = Telemetry::open(directory.path(), "1.0", 1);
        ASSERT_TRUE(first);
        first->worker(0).packets.add(5);
    }
    {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(offsetof(shm::SegmentHeader, fingerprint));
        file.write("\1\2\3\4", 4);
    }
    const Result<Telemetry> second = Telemetry::open(directory.path(), "1.1", 1);
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(second->worker(0).packets.get(), 0);
    EXPECT_TRUE(shm::Segment::open_read_only(shm::kTelemetry, directory.path()));
}

}  // namespace
}  // namespace fairlead::engine
