#include "ctl/publish/telemetry_view.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <utility>

namespace fairlead::publish {

namespace {

// Whether `count` objects of `size` bytes at `offset` lie inside the segment, on a cache line.
[[nodiscard]] bool fits(std::uint64_t offset,
                        std::uint64_t size,
                        std::uint64_t count,
                        std::uint64_t segment_bytes) {
    return offset % kCacheLineBytes == 0 && offset <= segment_bytes &&
           count <= (segment_bytes - offset) / size;
}

template <typename T>
[[nodiscard]] std::span<const T> objects(const shm::Segment& segment,
                                         std::uint64_t offset,
                                         std::uint64_t count) {
    return {static_cast<const T*>(static_cast<const void*>(segment.bytes().data() + offset)),
            count};
}

}  // namespace

TelemetryView::TelemetryView(std::string run_dir) : run_dir_(std::move(run_dir)) {}

std::string TelemetryView::refresh() {
    if (segment_.is_open() && segment_.is_current(shm::kTelemetry, run_dir_)) {
        return "";
    }
    std::string problem = map();
    is_unreadable_ = !problem.empty() && shm::Segment::is_locked(shm::kTelemetry, run_dir_);
    if (is_unreadable_) {
        forget_segment();
    }
    return problem;
}

std::string TelemetryView::map() {
    Result<shm::Segment> opened = shm::Segment::open_read_only(shm::kTelemetry, run_dir_);
    if (!opened) {
        return opened.error().message;
    }
    const std::uint64_t bytes = opened->bytes().size();
    if (bytes < sizeof(shm::TelemetryHeader)) {
        return run_dir_ + "/telemetry is too short; restart lbdp";
    }
    const auto& header = opened->header<shm::TelemetryHeader>();
    const std::uint64_t workers = header.workers;
    const bool good =
        workers <= shm::kMaxWorkers && header.services <= shm::kMaxServices &&
        header.backends <= shm::kMaxBackends &&
        fits(header.workers_offset, sizeof(shm::WorkerBlock), workers, bytes) &&
        fits(header.services_offset,
             sizeof(shm::ServiceCounters),
             workers * header.services,
             bytes) &&
        fits(
            header.backends_offset, sizeof(shm::BackendCounters), workers * header.backends, bytes);
    if (!good) {
        return run_dir_ +
               "/telemetry says that it holds more than it does; stop lbdp, remove the file, "
               "start lbdp";
    }
    segment_ = std::move(opened).value();
    worker_capacity_ = header.workers;
    service_capacity_ = header.services;
    backend_capacity_ = header.backends;
    blocks_ = objects<shm::WorkerBlock>(segment_, header.workers_offset, workers);
    service_counters_ = objects<shm::ServiceCounters>(
        segment_, header.services_offset, workers * service_capacity_);
    backend_counters_ = objects<shm::BackendCounters>(
        segment_, header.backends_offset, workers * backend_capacity_);
    return "";
}

void TelemetryView::forget_segment() {
    segment_ = {};
    worker_capacity_ = service_capacity_ = backend_capacity_ = 0;
    blocks_ = {};
    service_counters_ = {};
    backend_counters_ = {};
}

bool TelemetryView::engine_lives() const {
    return is_unreadable_ ? shm::Segment::is_locked(shm::kTelemetry, run_dir_)
                          : segment_.is_open() && segment_.writer_lives();
}

bool TelemetryView::counts_flows() {
    const std::uint64_t acknowledged = lowest();
    return engine_lives() && acknowledged != 0 && header() != nullptr &&
           header()->searches_old_flows.load(std::memory_order_relaxed) == 0;
}

const shm::TelemetryHeader* TelemetryView::header() const {
    return segment_.is_open() ? &segment_.header<shm::TelemetryHeader>() : nullptr;
}

std::span<const shm::WorkerBlock> TelemetryView::workers() const {
    if (!segment_.is_open()) {
        return {};
    }
    const std::uint32_t count = header()->worker_count.load(std::memory_order_acquire);
    return blocks_.first(std::min(count, worker_capacity_));
}

std::uint32_t TelemetryView::used_blocks() const {
    std::uint32_t used = 0;
    for (std::uint32_t i = 0; i < worker_capacity_; ++i) {
        if (blocks_[i].heartbeat.get() != 0) {
            used = i + 1;
        }
    }
    return used;
}

CounterTotals TelemetryView::totals(BackendIndex index) {
    CounterTotals totals;
    if (!segment_.is_open() || to_number(index) >= backend_capacity_) {
        return totals;
    }
    totals.instance = header()->segment.instance;
    for (std::uint32_t i = 0, used = used_blocks(); i < used; ++i) {
        const auto& counters = backend_counters_[i * backend_capacity_ + to_number(index)];
        totals.packets += counters.forwarded_packets.get();
        totals.bytes += counters.forwarded_bytes.get();
        totals.new_flows += counters.new_flows.get();
    }
    return totals;
}

std::uint64_t TelemetryView::active_flows(BackendIndex index) const {
    std::uint64_t flows = 0;
    for (std::size_t i = 0; i < workers().size() && to_number(index) < backend_capacity_; ++i) {
        flows += backend_counters_[i * backend_capacity_ + to_number(index)].active_flows.get();
    }
    return flows;
}

TelemetryView::ServiceTotals TelemetryView::service_totals(ServiceId id) const {
    ServiceTotals totals;
    if (to_number(id) >= service_capacity_) {
        return totals;
    }
    for (std::uint32_t i = 0, used = used_blocks(); i < used; ++i) {
        const auto& counters = service_counters_[i * service_capacity_ + to_number(id)];
        totals.received_packets += counters.received_packets.get();
        totals.received_bytes += counters.received_bytes.get();
        totals.new_flows += counters.new_flows.get();
        for (std::size_t reason = 0; reason < kDropReasonCount; ++reason) {
            totals.dropped[reason] += counters.dropped[reason].get();
        }
    }
    return totals;
}

std::array<std::uint64_t, kDropReasonCount> TelemetryView::dropped() const {
    std::array<std::uint64_t, kDropReasonCount> sums{};
    for (const shm::WorkerBlock& block : used_workers()) {
        for (std::size_t reason = 0; reason < kDropReasonCount; ++reason) {
            sums[reason] += block.dropped[reason].get();
        }
    }
    return sums;
}

bool TelemetryView::follows_others() const {
    return expected_tables_ != 0 && header() != nullptr &&
           header()->tables_instance.load(std::memory_order_acquire) != expected_tables_;
}

std::uint64_t TelemetryView::lowest() {
    static_cast<void>(refresh());
    // The daemon has stored `root` and `generation` before it looks here; an engine that joins
    // takes the lock before it loads them. With a full fence on both sides, one of the two sees the
    // other.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!engine_lives()) {
        return kNoEngine;
    }
    if (follows_others()) {
        return 0;
    }
    std::uint64_t lowest = std::numeric_limits<std::uint64_t>::max();
    for (const shm::WorkerBlock& block : workers()) {
        // Pairs with the worker's release store: what it used of older generations, it has finished
        // with.
        lowest = std::min(lowest, block.acknowledged.load(std::memory_order_acquire));
    }
    // An engine that lives and has not said yet how many workers it has may still start them.
    return workers().empty() ? 0 : lowest;
}

bool TelemetryView::follows_tables() {
    if (lowest() == kNoEngine) {
        return false;
    }
    // One that cannot be read may follow anything.
    return is_unreadable_ || header()->tables_instance.load(std::memory_order_acquire) != 0;
}

std::string TelemetryView::slowest() {
    const std::span<const shm::WorkerBlock> blocks = workers();
    if (blocks.empty()) {
        return "an engine that is starting";
    }
    std::size_t slowest = 0;
    for (std::size_t i = 1; i < blocks.size(); ++i) {
        if (blocks[i].acknowledged.load(std::memory_order_relaxed) <
            blocks[slowest].acknowledged.load(std::memory_order_relaxed)) {
            slowest = i;
        }
    }
    return "worker " + std::to_string(slowest) + " on CPU " +
           std::to_string(blocks[slowest].cpu.get());
}

}  // namespace fairlead::publish
