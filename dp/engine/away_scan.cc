#include "dp/engine/away_scan.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace fairlead::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A turn of the control thread is 2 ms: so a table for a million flows takes half a second, and a
// turn becomes 0.2 ms longer.
constexpr std::size_t kBucketsAStep = 2'048;
constexpr milliseconds kBetweenPasses{100};
// What is astray so long after a change are long connections.
constexpr seconds kHaste{5};
constexpr seconds kBetweenLatePasses{5};
// One may have begun before the change; two more settle what nobody strays in (away_ring.h, W1).
constexpr int kConfirmingPasses = 3;

}  // namespace

void AwayScan::note_change(Clock::time_point now) {
    passes_ = 0;
    changed_ = now;
    next_ = now;
}

bool AwayScan::is_due(const AwayMirror& mirror, Clock::time_point now) const {
    return !is_walking_ && now >= next_ && (passes_ < kConfirmingPasses || !mirror.is_settled());
}

void AwayScan::begin(Tables tables) {
    tables_ = std::move(tables);
    bucket_ = 0;
    is_walking_ = true;
}

void AwayScan::step(AwayMirror& mirror, const shm::TablesReader& tables, Clock::time_point now) {
    if (!is_walking_) {
        return;
    }
    std::size_t left = kBucketsAStep;
    while (left > 0 && !tables_.empty()) {
        const std::span<const shm::FlowBucket> table = tables_.back();
        const std::size_t end = bucket_ + std::min(left, table.size() - bucket_);
        left -= end - bucket_;
        for (; bucket_ < end; ++bucket_) {
            for (const std::atomic<std::uint64_t>& entry : table[bucket_].entries) {
                mirror.see(tables, FlowEntry(entry.load(std::memory_order_relaxed)));
            }
        }
        if (bucket_ == table.size()) {
            tables_.pop_back();
            bucket_ = 0;
        }
    }
    if (tables_.empty()) {
        is_walking_ = false;
        ++passes_;
        mirror.end_pass();
        next_ = now + (now - changed_ < kHaste ? kBetweenPasses : milliseconds(kBetweenLatePasses));
    }
}

}  // namespace fairlead::engine
