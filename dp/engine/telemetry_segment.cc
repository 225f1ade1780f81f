#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include <unistd.h>

#include "dp/engine/segments.h"

namespace fairlead::engine {
namespace {

struct Layout {
    std::uint64_t workers_offset = 0;
    std::uint64_t services_offset = 0;
    std::uint64_t backends_offset = 0;
    std::uint64_t size_bytes = 0;
};

// A place for every worker that there may ever be, so that a change of [engine] cpus keeps the
// file; it is sparse.
constexpr Layout layout() {
    Layout result;
    result.workers_offset = sizeof(shm::TelemetryHeader);
    result.services_offset = result.workers_offset + shm::kMaxWorkers * sizeof(shm::WorkerBlock);
    result.backends_offset = result.services_offset + std::uint64_t{shm::kMaxWorkers} *
                                                          shm::kMaxServices *
                                                          sizeof(shm::ServiceCounters);
    result.size_bytes =
        round_up(result.backends_offset + std::uint64_t{shm::kMaxWorkers} * shm::kMaxBackends *
                                              sizeof(shm::BackendCounters),
                 4096);
    return result;
}

void fill_header(std::span<std::byte> bytes) {
    // A mapping's start is page-aligned.
    auto& header = *static_cast<shm::TelemetryHeader*>(static_cast<void*>(bytes.data()));
    header.workers = shm::kMaxWorkers;
    header.services = shm::kMaxServices;
    header.backends = shm::kMaxBackends;
    header.workers_offset = layout().workers_offset;
    header.services_offset = layout().services_offset;
    header.backends_offset = layout().backends_offset;
}

// Offsets are multiples of a cache line by the sizes that they are made of.
template <typename T>
T* at(const shm::Segment& segment, std::uint64_t offset) {
    return static_cast<T*>(static_cast<void*>(segment.bytes().data() + offset));
}

bool has_our_layout(const shm::TelemetryHeader& header) {
    return header.workers == shm::kMaxWorkers && header.services == shm::kMaxServices &&
           header.backends == shm::kMaxBackends &&
           header.workers_offset == layout().workers_offset &&
           header.services_offset == layout().services_offset &&
           header.backends_offset == layout().backends_offset &&
           header.segment.size_bytes == layout().size_bytes;
}

// A killed engine's lock goes when the kernel has torn the process down.
constexpr auto kWaitForLock = std::chrono::milliseconds(1'500);
constexpr auto kLookEvery = std::chrono::milliseconds(20);

bool stays_locked(const std::string& run_dir) {
    const auto deadline = std::chrono::steady_clock::now() + kWaitForLock;
    while (shm::Segment::is_locked(shm::kTelemetry, run_dir)) {
        if (std::chrono::steady_clock::now() > deadline) {
            return true;
        }
        std::this_thread::sleep_for(kLookEvery);
    }
    return false;
}

}  // namespace

Result<Telemetry> Telemetry::open(const std::string& run_dir,
                                  std::string_view version,
                                  std::uint32_t workers) {
    Telemetry telemetry;
    if (shm::Segment::exists(shm::kTelemetry, run_dir)) {
        if (stays_locked(run_dir)) {
            return fail("another lbdp runs on " + run_dir +
                        "; stop it first, or give this one its own --run-dir");
        }
        Result<shm::Segment> opened = shm::Segment::open_writer(shm::kTelemetry, run_dir);
        if (opened && has_our_layout(opened->header<shm::TelemetryHeader>())) {
            telemetry.segment_ = std::move(*opened);
        }
    }
    if (!telemetry.segment_.is_open()) {
        // None, or one of another version whose engine is gone: counters begin anew.
        if (Status removed = shm::Segment::remove(shm::kTelemetry, run_dir); !removed) {
            return Unexpected{removed.error()};
        }
        Result<shm::Segment> made =
            shm::Segment::create(shm::kTelemetry,
                                 run_dir,
                                 shm::SegmentSize{layout().size_bytes, layout().services_offset},
                                 version,
                                 fill_header);
        if (!made) {
            return Unexpected{made.error()};
        }
        telemetry.segment_ = std::move(*made);
    }
    if (Status there = telemetry.allocate(workers); !there) {
        return Unexpected{there.error()};
    }
    telemetry.start(version, workers);
    return telemetry;
}

// A worker counts for whatever the tables name, and cannot wait for memory: it has all of its own.
// A block that was ever used has it from then.
Status Telemetry::allocate(std::uint32_t workers) const {
    const std::uint64_t services_bytes = shm::kMaxServices * sizeof(shm::ServiceCounters);
    const std::uint64_t backends_bytes = shm::kMaxBackends * sizeof(shm::BackendCounters);
    return segment_.allocate({{0, layout().services_offset},
                              {layout().services_offset, workers * services_bytes},
                              {layout().backends_offset, workers * backends_bytes}});
}

void Telemetry::start(std::string_view version, std::uint32_t workers) const {
    shm::TelemetryHeader& telemetry = header();
    for (std::uint32_t number = 0; number < shm::kMaxWorkers; ++number) {
        shm::WorkerBlock& block = worker(number);
        // Released so that the daemon (acknowledged-before-reuse) cannot see the new count below
        // without it.
        block.acknowledged.store(0, std::memory_order_release);
        if (block.heartbeat.get() == 0 && block.flow_capacity.get() == 0) {
            continue;  // never used: its pages need not exist
        }
        block.flow_entries.set(0);
        block.flow_capacity.set(0);
        for (std::size_t state = 0; state < kFlowStateCodes; ++state) {
            block.flow_states[state].set(0);
            block.flow_quota[state].set(0);
        }
        for (shm::BackendCounters& counters : backends(number)) {
            if (counters.active_flows.get() != 0) {
                counters.active_flows.set(0);
            }
        }
    }
    // The control thread has not turned yet: until it does, this engine is starting.
    telemetry.control_heartbeat.set(0);
    telemetry.tables_instance.store(0, std::memory_order_relaxed);
    telemetry.version.fill('\0');
    std::copy_n(version.begin(),
                std::min(version.size(), telemetry.version.size() - 1),
                telemetry.version.begin());
    telemetry.pid.store(::getpid(), std::memory_order_relaxed);
    telemetry.started_ns.store(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                   std::chrono::system_clock::now().time_since_epoch())
                                   .count(),
                               std::memory_order_relaxed);
    telemetry.worker_count.store(workers, std::memory_order_release);
    // Joining: the lock and the zeros above come before the first look at `tables`; the daemon's
    // scan has the other fence. So it waits for us, or we see only what it published before.
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

shm::WorkerBlock& Telemetry::worker(std::uint32_t number) const {
    auto* const blocks = at<shm::WorkerBlock>(segment_, layout().workers_offset);
    return blocks[number];
}

std::span<shm::ServiceCounters> Telemetry::services(std::uint32_t worker) const {
    auto* const counters = at<shm::ServiceCounters>(segment_, layout().services_offset);
    return {counters + std::size_t{worker} * shm::kMaxServices, shm::kMaxServices};
}

std::span<shm::BackendCounters> Telemetry::backends(std::uint32_t worker) const {
    auto* const counters = at<shm::BackendCounters>(segment_, layout().backends_offset);
    return {counters + std::size_t{worker} * shm::kMaxBackends, shm::kMaxBackends};
}

}  // namespace fairlead::engine
