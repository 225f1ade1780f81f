// The daemon's bounded view of `telemetry`: who has acknowledged what, and every counter, added up
// over the workers.
//
// The segment may be missing, appear, or be replaced by another engine: refresh() looks again and
// is cheap enough to be called once a second and before each scan. What stands in it is not
// trusted: every position is checked against the mapping when it is mapped. Thread: the daemon's
// loop.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "ctl/publish/publisher.h"
#include "dp/shm/segment.h"
#include "dp/shm/telemetry.h"

namespace fairlead::publish {

class TelemetryView final : public Acknowledgements, public CounterSource {
  public:
    explicit TelemetryView(std::string run_dir);

    // Maps the segment if it is new. The reason where there is none that fits, "" otherwise.
    std::string refresh();

    // Whether an engine holds the segment's lock. A system call.
    [[nodiscard]] bool engine_lives() const;
    // nullptr where no segment is mapped.
    [[nodiscard]] const shm::TelemetryHeader* header() const;
    // The blocks of the running engine's workers; empty where none is mapped.
    [[nodiscard]] std::span<const shm::WorkerBlock> workers() const;

    // Sums over every worker block of the segment, also those that no worker uses today.
    [[nodiscard]] CounterTotals totals(BackendIndex index) override;
    [[nodiscard]] std::uint64_t active_flows(BackendIndex index) const;
    struct ServiceTotals {
        std::uint64_t received_packets = 0;
        std::uint64_t received_bytes = 0;
        std::uint64_t new_flows = 0;
        std::array<std::uint64_t, kDropReasonCount> dropped{};
    };
    [[nodiscard]] ServiceTotals service_totals(ServiceId id) const;
    // What all workers dropped, by reason.
    [[nodiscard]] std::array<std::uint64_t, kDropReasonCount> dropped() const;

    [[nodiscard]] std::uint64_t lowest() override;
    [[nodiscard]] std::string slowest() override;

  private:
    // Blocks that have ever counted anything: no worker beyond was ever started.
    [[nodiscard]] std::uint32_t used_blocks() const;

    std::string run_dir_;
    shm::Segment segment_;
    std::uint32_t worker_capacity_ = 0;
    std::uint32_t service_capacity_ = 0;
    std::uint32_t backend_capacity_ = 0;
    std::span<const shm::WorkerBlock> blocks_;
    std::span<const shm::ServiceCounters> service_counters_;
    std::span<const shm::BackendCounters> backend_counters_;
};

}  // namespace fairlead::publish
