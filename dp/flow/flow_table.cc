#include "dp/flow/flow_table.h"

#include <array>
#include <limits>

namespace fairlead {

FlowTable::FlowTable(std::span<shm::FlowBucket> buckets,
                     shm::WorkerBlock& worker,
                     std::span<shm::BackendCounters> backends) noexcept
    : buckets_(buckets.data()), mask_(buckets.size() - 1), worker_(&worker), backends_(backends) {
    for (shm::BackendCounters& counters : backends_) {
        counters.active_flows.set(0);
    }
    for (shm::FlowBucket& bucket : buckets) {
        for (auto& word : bucket.entries) {
            const FlowEntry entry(word.load(std::memory_order_relaxed));
            if (entry.state() == FlowState::kEmpty) {
                word.store(0, std::memory_order_relaxed);  // no table leaves anything else there
            } else {
                account(FlowEntry{}, entry);
            }
        }
    }
    worker_->flow_capacity.set(capacity());
    worker_->flow_entries.set(entry_count_);
}

void FlowTable::account(FlowEntry before, FlowEntry after) noexcept {
    if (!before.is_empty()) {
        --entry_count_;
        unproven_count_ -= before.state() == FlowState::kUnproven ? 1U : 0U;
        if (to_number(before.backend()) < backends_.size()) {
            backends_[to_number(before.backend())].active_flows.subtract(1);
        }
    }
    if (!after.is_empty()) {
        ++entry_count_;
        unproven_count_ += after.state() == FlowState::kUnproven ? 1U : 0U;
        if (to_number(after.backend()) < backends_.size()) {
            backends_[to_number(after.backend())].active_flows.add(1);
        }
    }
    worker_->flow_entries.set(entry_count_);
}

void FlowTable::replace(const FlowPlace& place,
                        const NewFlow& flow,
                        FlowEvent event,
                        FlowTick now) noexcept {
    const FlowEntry entry =
        FlowEntry::make(flow_signature(flow.hash), flow.backend, flow.incarnation, flow.state);
    store(*place.word, place.entry, entry.with(flow.state, idle_ticks(flow.state, event), now));
}

bool FlowTable::insert(const NewFlow& flow, FlowEvent event, FlowTick now) noexcept {
    const BucketPair pair = bucket_pair(flow.hash, mask_);
    std::atomic<std::uint64_t>* const word =
        make_room(pair, flow.state == FlowState::kUnproven, now);
    if (word == nullptr) {
        worker_->flow_insert_failures.add(1);
        return false;
    }
    replace({word, FlowEntry{}}, flow, event, now);
    return true;
}

std::atomic<std::uint64_t>* FlowTable::make_room(BucketPair pair,
                                                 bool is_unproven,
                                                 FlowTick now) noexcept {
    if (is_unproven && unproven_count_ >= capacity() / 2) {
        return evict(pair, false, now);
    }
    std::atomic<std::uint64_t>* best = nullptr;
    std::size_t best_room = 0;
    for (const std::size_t index : {pair.first, pair.second}) {
        std::atomic<std::uint64_t>* free = nullptr;
        std::size_t room = 0;
        for (auto& word : buckets_[index].entries) {
            if (word.load(std::memory_order_relaxed) == 0) {
                free = free == nullptr ? &word : free;
                ++room;
            }
        }
        if (room > best_room) {
            best = free;
            best_room = room;
        }
    }
    return best != nullptr ? best : evict(pair, true, now);
}

std::atomic<std::uint64_t>* FlowTable::evict(BucketPair pair,
                                             bool also_expired,
                                             FlowTick now) noexcept {
    std::atomic<std::uint64_t>* victim = nullptr;
    std::int32_t least = std::numeric_limits<std::int32_t>::max();
    for (const std::size_t index : {pair.first, pair.second}) {
        for (auto& word : buckets_[index].entries) {
            const FlowEntry entry(word.load(std::memory_order_relaxed));
            const std::int32_t left = entry.ticks_left(now);
            const bool may_go = entry.state() == FlowState::kUnproven ||
                                (also_expired && !entry.is_empty() && left < 0);
            if (may_go && left < least) {
                victim = &word;
                least = left;
            }
        }
    }
    if (victim != nullptr) {
        store(*victim, FlowEntry(victim->load(std::memory_order_relaxed)), FlowEntry{});
        (least < 0 ? worker_->flow_expired : worker_->flow_evictions).add(1);
    }
    return victim;
}

}  // namespace fairlead
