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

    // Whether an engine holds the segment's lock, also of one that this daemon cannot read. A
    // system call.
    [[nodiscard]] bool engine_lives() const;
    // Whether active_flows() counts every flow: the engine lives, each of its workers has counted
    // what the last engine left, and no flow waits in tables of another size.
    [[nodiscard]] bool counts_flows();
    // Whether there are flows that the next engine takes over.
    [[nodiscard]] bool flows_remain() const { return shm::Segment::exists(shm::kFlows, run_dir_); }
    // nullptr where no segment is mapped.
    [[nodiscard]] const shm::TelemetryHeader* header() const;
    // The blocks of the running engine's workers; empty where none is mapped.
    [[nodiscard]] std::span<const shm::WorkerBlock> workers() const;
    // The blocks that have ever counted anything, also of workers that an engine with more of them
    // had: sums over these never fall.
    [[nodiscard]] std::span<const shm::WorkerBlock> used_workers() const {
        return blocks_.first(used_blocks());
    }

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

    // Names the file whose generations are acknowledged: an engine that follows another one has
    // acknowledged none of them. Until then, or with 0, any.
    void expect_tables(std::uint64_t instance) { expected_tables_ = instance; }

    [[nodiscard]] std::uint64_t lowest() override;
    [[nodiscard]] bool follows_tables() override;
    [[nodiscard]] std::string slowest() override;

  private:
    // Blocks that have ever counted anything: no worker beyond was ever started.
    [[nodiscard]] std::uint32_t used_blocks() const;

    // Whether the engine follows another `tables` file than the one that is expected.
    [[nodiscard]] bool follows_others() const;

    // Maps the segment. The reason where that cannot be.
    std::string map();
    void forget_segment();

    std::string run_dir_;
    std::uint64_t expected_tables_ = 0;
    shm::Segment segment_;
    bool is_unreadable_ = false;  // an engine of another version has it
    std::uint32_t worker_capacity_ = 0;
    std::uint32_t service_capacity_ = 0;
    std::uint32_t backend_capacity_ = 0;
    std::span<const shm::WorkerBlock> blocks_;
    std::span<const shm::ServiceCounters> service_counters_;
    std::span<const shm::BackendCounters> backend_counters_;
};

}  // namespace fairlead::publish
