// The two segments that the engine writes, opened for a start: `telemetry` and `flows`.
//
// Both are taken over from the last engine where they fit. The lock on `telemetry` is what makes
// this engine the only one on its run directory, and what "a live engine" means to the daemon.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/result.h"
#include "dp/engine/hugepages.h"
#include "dp/flow/flow_table.h"
#include "dp/shm/flows.h"
#include "dp/shm/segment.h"
#include "dp/shm/telemetry.h"

namespace fairlead::engine {

// ---- telemetry

// The engine's own counters: blocks by worker, bounded.
class Telemetry {
  public:
    // Takes over or makes the segment, and its lock. From then on the daemon waits for our
    // acknowledgements, of which there are none yet. Errors: another engine lives here; no memory
    // for the counters of so many workers.
    [[nodiscard]] static Result<Telemetry> open(const std::string& run_dir,
                                                std::string_view version,
                                                std::uint32_t workers);

    [[nodiscard]] shm::TelemetryHeader& header() const {
        return segment_.header<shm::TelemetryHeader>();
    }
    [[nodiscard]] shm::WorkerBlock& worker(std::uint32_t number) const;
    [[nodiscard]] std::span<shm::ServiceCounters> services(std::uint32_t worker) const;
    [[nodiscard]] std::span<shm::BackendCounters> backends(std::uint32_t worker) const;

    // False once somebody has removed, replaced or cut the file.
    [[nodiscard]] bool is_current(const std::string& run_dir) const {
        return segment_.is_current(shm::kTelemetry, run_dir);
    }

  private:
    [[nodiscard]] Status allocate(std::uint32_t workers) const;
    void start(std::string_view version, std::uint32_t workers) const;

    shm::Segment segment_;
};

// ---- flows

struct FlowsGeometry {
    std::uint32_t tables = 0;             // one a worker
    std::uint64_t buckets_per_table = 0;  // a power of two, at least two
    [[nodiscard]] std::uint64_t size_bytes() const;
    friend bool operator==(const FlowsGeometry&, const FlowsGeometry&) = default;
};

// Room for `flows` tracked flows with tables half full (dp/flow/flow_table.h).
[[nodiscard]] FlowsGeometry plan_flows(std::uint64_t flows, std::uint32_t workers);

class Flows {
  public:
    // Takes over the last engine's tables if they have this geometry. Otherwise makes new ones, on
    // a hugetlbfs where `huge_pages` has room, and keeps the old ones to read from. `run_dir`/flows
    // is the file, or a link to it. All of it is allocated. Error: there is no memory for it.
    [[nodiscard]] static Result<Flows> open(const std::string& run_dir,
                                            std::string_view version,
                                            const FlowsGeometry& geometry,
                                            const HugePagePool* huge_pages);

    // Puts a worker's table into the memory beside its CPU, as far as there is some. What cannot be
    // is logged here and below: flows are found all the same, only later. Any thread.
    void settle(std::uint32_t worker, std::uint32_t cpu) const;
    // Keeps a worker's table in memory. Everybody who maps memory meanwhile waits, and long where
    // it was not touched before.
    void lock(std::uint32_t worker) const;

    [[nodiscard]] std::span<shm::FlowBucket> table(std::uint32_t worker) const;
    // The last engine's tables, where they had another geometry; empty otherwise.
    [[nodiscard]] std::vector<FlowTableView> old_tables() const;
    [[nodiscard]] bool has_old_tables() const { return old_segment_.is_open(); }
    [[nodiscard]] bool is_taken_over() const { return is_taken_over_; }
    [[nodiscard]] bool uses_hugepages() const { return uses_hugepages_; }

    // False once somebody has removed, replaced or cut the file.
    [[nodiscard]] bool is_current(const std::string& run_dir) const {
        return segment_.is_current(shm::kFlows, run_dir);
    }

    // The flows' clock, which goes on from engine to engine.
    [[nodiscard]] std::uint64_t last_tick() const;
    void keep_tick(std::uint64_t tick) const;

  private:
    shm::Segment segment_;
    shm::Segment old_segment_;
    bool is_taken_over_ = false;
    bool uses_hugepages_ = false;
};

}  // namespace fairlead::engine
