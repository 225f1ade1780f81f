// What an engine writes into `telemetry`, as a test tells it.
#pragma once

#include <string>

#include <gtest/gtest.h>

#include "dp/shm/segment.h"
#include "dp/shm/telemetry.h"

namespace fairlead::daemon {

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
                                             header.pid = 77;
                                             header.started_ns = 1;
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
    void turn() {
        segment_.header<shm::TelemetryHeader>().control_heartbeat.add(1);
        worker_->heartbeat.add(1);
    }
    void follow_tables(std::uint64_t instance) {
        segment_.header<shm::TelemetryHeader>().tables_instance = instance;
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

}  // namespace fairlead::daemon
