#include "dp/flow/flow_table.h"

namespace fairlead {

namespace {

[[nodiscard]] constexpr std::size_t index_of(FlowState state) noexcept {
    return static_cast<std::size_t>(state);
}

// At the quota a quarter of all slots is unproven: so many buckets without one are next to nowhere.
constexpr std::size_t kBucketsAhead = 8;

}  // namespace

FlowTable::FlowTable(std::span<shm::FlowBucket> buckets,
                     shm::WorkerBlock& worker,
                     std::span<shm::BackendCounters> backends) noexcept
    : buckets_(buckets.data()), mask_(buckets.size() - 1), worker_(&worker), backends_(backends) {
    for (shm::BackendCounters& counters : backends_) {
        counters.active_flows.set(0);
    }
    for (shm::Counter& gauge : worker_->flow_states) {
        gauge.set(0);
    }
    for (shm::FlowBucket& bucket : buckets) {
        for (auto& word : bucket.entries) {
            const FlowEntry entry(word.load(std::memory_order_relaxed));
            if (entry.raw() == 0) {
                continue;  // not stored again: most of a table is untouched memory
            }
            if (entry.state() == FlowState::kEmpty || index_of(entry.state()) >= kFlowStateCount) {
                word.store(0, std::memory_order_relaxed);  // no table leaves anything else there
            } else {
                account(FlowEntry{}, entry);
            }
        }
    }
    worker_->flow_capacity.set(capacity());
    worker_->flow_quota[index_of(FlowState::kUnproven)].set(quota());
    worker_->flow_quota[index_of(FlowState::kDatagram)].set(quota());
    worker_->flow_entries.set(entry_count_);
}

void FlowTable::account(FlowEntry before, FlowEntry after) noexcept {
    const auto count = [this](FlowEntry entry, std::size_t change) {
        const std::size_t state = index_of(entry.state());
        entry_count_ += change;
        counts_[state] += change;
        worker_->flow_states[state].set(counts_[state]);
        if (to_number(entry.backend()) < backends_.size()) {
            backends_[to_number(entry.backend())].active_flows.add(change);
        }
    };
    if (!before.is_empty()) {
        count(before, std::size_t{0} - 1);
    }
    if (!after.is_empty()) {
        count(after, 1);
    }
    worker_->flow_entries.set(entry_count_);
}

FlowState FlowTable::within_quota(FlowState before, FlowState state) noexcept {
    if (state == FlowState::kDatagram && before != state && count_of(state) >= quota()) {
        worker_->flow_quota_refusals[index_of(state)].add(1);
        return FlowState::kUnproven;
    }
    return state;
}

void FlowTable::change_state(const FlowPlace& place,
                             FlowState state,
                             FlowEvent event,
                             FlowTick now) noexcept {
    const FlowState allowed = within_quota(place.entry.state(), state);
    store(*place.word, place.entry, place.entry.with(allowed, idle_ticks(allowed, event), now));
}

void FlowTable::replace(const FlowPlace& place,
                        const NewFlow& flow,
                        FlowEvent event,
                        FlowTick now) noexcept {
    const FlowState state = within_quota(place.entry.state(), flow.state);
    const FlowEntry entry =
        FlowEntry::make(flow_signature(flow.hash), flow.backend, flow.incarnation, state);
    store(*place.word, place.entry, entry.with(state, idle_ticks(state, event), now));
}

bool FlowTable::insert(const NewFlow& flow, FlowEvent event, FlowTick now) noexcept {
    const BucketPair pair = bucket_pair(flow.hash, mask_);
    const FlowState state = within_quota(FlowState::kEmpty, flow.state);
    const FlowPlace place = make_room(pair, state, event, now);
    if (place.word == nullptr) {
        worker_->flow_insert_failures.add(1);
        return false;
    }
    replace(place, {flow.hash, flow.backend, flow.incarnation, state}, event, now);
    return true;
}

FlowPlace FlowTable::make_room(BucketPair pair,
                               FlowState state,
                               FlowEvent event,
                               FlowTick now) noexcept {
    const bool is_unproven = state == FlowState::kUnproven;
    const bool may_evict = event != FlowEvent::kOpen;
    if (is_unproven && is_at_quota()) {
        count_refused_unproven();
        return may_evict ? room_at_quota(pair, now) : FlowPlace{};
    }
    FlowPlace place = free_place(pair);
    if (place.word == nullptr) [[unlikely]] {
        place = expired_place(pair, now);
    }
    if (place.word == nullptr && may_evict) {
        place = evict(nearest(pair, FlowState::kUnproven, now), now);
    }
    if (place.word == nullptr && may_evict) {
        place = closing_victim(pair, state, now);
    }
    return place;
}

FlowPlace FlowTable::room_at_quota(BucketPair pair, FlowTick now) noexcept {
    const FlowPlace rival = nearest(pair, FlowState::kUnproven, now);
    if (rival.is_found()) {
        return evict(rival, now);
    }
    const FlowPlace place = free_place(pair);
    if (place.word == nullptr) {
        return {};
    }
    for (std::size_t ahead = 1; ahead <= kBucketsAhead; ++ahead) {
        const std::size_t bucket = (pair.first + ahead) & mask_;
        const FlowPlace other = nearest({bucket, bucket}, FlowState::kUnproven, now);
        if (other.is_found()) {
            evict(other, now);
            store(*other.word, other.entry, FlowEntry{});
            return place;
        }
    }
    return {};
}

FlowPlace FlowTable::free_place(BucketPair pair) noexcept {
    const std::uint32_t first = flow_detail::entries_in(buckets_[pair.first], FlowState::kEmpty);
    const std::uint32_t second = flow_detail::entries_in(buckets_[pair.second], FlowState::kEmpty);
    if ((first | second) == 0) {
        return {};
    }
    return std::popcount(first) >= std::popcount(second)
               ? place_at(pair, static_cast<unsigned>(std::countr_zero(first)))
               : place_at(pair,
                          static_cast<unsigned>(shm::kFlowsPerBucket) +
                              static_cast<unsigned>(std::countr_zero(second)));
}

FlowPlace FlowTable::expired_place(BucketPair pair, FlowTick now) noexcept {
    FlowPlace oldest;
    std::int32_t least = 0;
    for (unsigned position = 0; position < flow_detail::kNoPosition; ++position) {
        const FlowPlace place = place_at(pair, position);
        const std::int32_t left = place.entry.ticks_left(now);
        if (!place.entry.is_empty() && left < least) {
            oldest = place;
            least = left;
        }
    }
    if (oldest.is_found()) {
        count_expired(oldest.entry, true);
    }
    return oldest;
}

FlowPlace FlowTable::closing_victim(BucketPair pair, FlowState state, FlowTick now) noexcept {
    constexpr auto kYoung = static_cast<std::int32_t>(kClosingTicks - kClosingGraceTicks);
    const FlowPlace place = nearest(pair, FlowState::kClosing, now);
    const bool may_go = state != FlowState::kUnproven || place.entry.ticks_left(now) < kYoung;
    return may_go ? evict(place, now) : FlowPlace{};
}

FlowPlace FlowTable::nearest(BucketPair pair, FlowState state, FlowTick now) noexcept {
    const unsigned position =
        flow_detail::nearest_to_end(buckets_[pair.first], buckets_[pair.second], state, now);
    return position == flow_detail::kNoPosition ? FlowPlace{} : place_at(pair, position);
}

FlowPlace FlowTable::evict(const FlowPlace& place, FlowTick now) noexcept {
    if (place.is_found()) {
        const bool is_expired = place.entry.ticks_left(now) < 0;
        count_expired(place.entry, is_expired);
        worker_->flow_evictions[index_of(place.entry.state())].add(is_expired ? 0 : 1);
    }
    return place;
}

}  // namespace fairlead
