// The connections that a worker remembers: a fixed number of cache lines, no allocation, no lock.
//
// Theory of operation
//
// A bucket is one cache line of eight entries (flow_entry.h). A flow may stand in either of two
// buckets:
//
//     b1 = low half of the hash, masked        b2 = b1 xor mix(signature), masked; never b1 itself
//
// so each of the two can be computed from the other and the signature that stands in the entry. A
// new flow goes to the one with more room ("power of two choices": Azar, Broder, Karlin and Upfal,
// STOC'94); it never moves. Configured capacity is half the slots: 16 bytes a flow.
//
//   F1. One thread writes a table, its worker. Others read single words (FlowTableView): an entry
//       is whole or it is not there, and no two words depend on each other, so relaxed order is
//       enough.
//   F2. A flow stands in a table at most once: insert() is called after find() has missed.
//   F3. An entry is empty by its state if and only if it is 0 as a whole. active_flows of a backend
//       is the number of its entries in this table, whatever their state; flow_entries is the sum.
//       Both are counted anew when a table is taken over.
//   F4. An unproven entry never costs a proven one its place: of unproven ones there are at most
//       half the capacity, and when room is short the one that is nearest to its deadline goes
//       first.
//   F5. A full pair of buckets without an unproven or expired entry refuses: the caller falls back
//       to the ring, and the refusal is counted.
//
// Example: hash 0x5A5A'0001'0000'0007 in a table of 4,096 buckets: b1 = 7. The signature
// 0x5A5A'0001 mixes to 0x341, so b2 = 7 xor 0x341 = 0x346; from an entry with that signature found
// in bucket 0x346 the other one is 0x346 xor 0x341 = 7 again.
//
// Ownership: the buckets and counters belong to the caller and outlive the table.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "dp/flow/flow_entry.h"
#include "dp/shm/flows.h"
#include "dp/shm/telemetry.h"

namespace fairlead {

// The two buckets that a flow may stand in.
struct BucketPair {
    std::size_t first;
    std::size_t second;
};

[[nodiscard]] inline std::uint32_t flow_signature(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>(hash >> 32U);
}

// `mask` is the number of buckets minus one, a power of two minus one, not 0.
[[nodiscard]] inline BucketPair bucket_pair(std::uint64_t hash, std::size_t mask) noexcept {
    const std::size_t first = static_cast<std::uint32_t>(hash) & mask;
    // Odd, so that the two differ.
    const std::size_t mix = (std::uint64_t{flow_signature(hash)} * 0x9E37'79B9U >> 16U) | 1U;
    return {first, (first ^ mix) & mask};
}

// Any worker's table, for reading.
class FlowTableView {
  public:
    FlowTableView() = default;
    // Requires a power of two of at least two buckets.
    explicit FlowTableView(std::span<const shm::FlowBucket> buckets) noexcept
        : buckets_(buckets.data()), mask_(buckets.size() - 1) {}

    void prefetch(std::uint64_t hash) const noexcept {
        const BucketPair pair = bucket_pair(hash, mask_);
        __builtin_prefetch(buckets_ + pair.first);
        __builtin_prefetch(buckets_ + pair.second);
    }
    // The flow's entry as it is now, or an empty one. An entry counts until it is swept or
    // replaced.
    [[nodiscard]] FlowEntry find(std::uint64_t hash) const noexcept;

  private:
    const shm::FlowBucket* buckets_ = nullptr;
    std::size_t mask_ = 0;
};

// Where a flow stands in the own table, and what stood there when it was looked up.
struct FlowPlace {
    std::atomic<std::uint64_t>* word = nullptr;
    FlowEntry entry;

    [[nodiscard]] bool is_found() const noexcept { return word != nullptr; }
    // Whether the word is still what it was.
    [[nodiscard]] bool is_current() const noexcept {
        return word->load(std::memory_order_relaxed) == entry.raw();
    }
};

// A flow to remember. Its deadline is set by the table.
struct NewFlow {
    std::uint64_t hash = 0;
    BackendIndex backend = kNoBackendIndex;
    std::uint32_t incarnation = 0;
    FlowState state = FlowState::kUnproven;
};

class FlowTable {
  public:
    // Takes over what stands in `buckets`, and counts it: reads all of it. Requires a power of two
    // of at least two buckets. `backends` are this worker's counters, by backend index.
    FlowTable(std::span<shm::FlowBucket> buckets,
              shm::WorkerBlock& worker,
              std::span<shm::BackendCounters> backends) noexcept;

    void prefetch(std::uint64_t hash) const noexcept {
        const BucketPair pair = bucket_pair(hash, mask_);
        __builtin_prefetch(buckets_ + pair.first);
        __builtin_prefetch(buckets_ + pair.second);
    }
    [[nodiscard]] FlowPlace find(std::uint64_t hash) noexcept;

    // Notes a packet of a flow that find() has found: its state, and its deadline, by a store only
    // where the word changes. Requires place.is_current().
    void touch(const FlowPlace& place, FlowEvent event, FlowTick now) noexcept {
        const FlowEntry after = after_packet(place.entry, event, now);
        if (after != place.entry) {
            store(*place.word, place.entry, after);
        }
    }
    // Gives a found entry to another backend. Requires place.is_current().
    void replace(const FlowPlace& place,
                 const NewFlow& flow,
                 FlowEvent event,
                 FlowTick now) noexcept;
    // Remembers a flow that find() has missed; false: there was no room, counted.
    bool insert(const NewFlow& flow, FlowEvent event, FlowTick now) noexcept;

    // Visits the next `buckets` buckets, and removes what is past its deadline or what `keeps`
    // (called with BackendIndex and incarnation) denies. Returns how many entries went.
    template <typename Keeps>
    std::size_t sweep(std::size_t buckets, FlowTick now, Keeps&& keeps) noexcept {
        std::size_t removed = 0;
        for (std::size_t visited = 0; visited < buckets; ++visited) {
            shm::FlowBucket& bucket = buckets_[cursor_];
            cursor_ = (cursor_ + 1) & mask_;
            for (auto& word : bucket.entries) {
                const FlowEntry entry(word.load(std::memory_order_relaxed));
                if (entry.is_empty()) {
                    continue;
                }
                const bool is_expired = entry.ticks_left(now) < 0;
                if (is_expired || !keeps(entry.backend(), entry.incarnation())) {
                    store(word, entry, FlowEntry{});
                    worker_->flow_expired.add(is_expired ? 1 : 0);
                    ++removed;
                }
            }
        }
        return removed;
    }

    [[nodiscard]] std::size_t bucket_count() const noexcept { return mask_ + 1; }
    [[nodiscard]] std::size_t capacity() const noexcept {
        return bucket_count() * shm::kFlowsPerBucket / 2;
    }
    [[nodiscard]] std::size_t entry_count() const noexcept { return entry_count_; }
    [[nodiscard]] std::size_t unproven_count() const noexcept { return unproven_count_; }

  private:
    // The one place that writes an entry: keeps F3 and F4's count.
    void store(std::atomic<std::uint64_t>& word, FlowEntry before, FlowEntry after) noexcept {
        // Pairs with the relaxed loads of FlowTableView in other workers: a word is all they need.
        word.store(after.raw(), std::memory_order_relaxed);
        if (before.state() != after.state() || before.backend() != after.backend()) {
            account(before, after);
        }
    }
    void account(FlowEntry before, FlowEntry after) noexcept;
    [[nodiscard]] std::atomic<std::uint64_t>* make_room(BucketPair pair,
                                                        bool is_unproven,
                                                        FlowTick now) noexcept;
    // Removes the unproven entry nearest to its deadline, or with `also_expired` any expired one.
    [[nodiscard]] std::atomic<std::uint64_t>* evict(BucketPair pair,
                                                    bool also_expired,
                                                    FlowTick now) noexcept;

    shm::FlowBucket* buckets_;
    std::size_t mask_;
    shm::WorkerBlock* worker_;
    std::span<shm::BackendCounters> backends_;
    std::size_t entry_count_ = 0;
    std::size_t unproven_count_ = 0;
    std::size_t cursor_ = 0;
};

// ---- the search, inline as it is the packet path's

namespace flow_detail {

// The position in `bucket` of an entry with this signature, or kFlowsPerBucket.
template <typename Bucket>
[[nodiscard]] inline std::size_t position_of(Bucket& bucket, std::uint32_t signature) noexcept {
    for (std::size_t i = 0; i < shm::kFlowsPerBucket; ++i) {
        const FlowEntry entry(bucket.entries[i].load(std::memory_order_relaxed));
        if (entry.signature() == signature && entry.state() != FlowState::kEmpty) {
            return i;
        }
    }
    return shm::kFlowsPerBucket;
}

// A bit for each entry of `bucket` whose signature is this one, an empty one's 0 included. For the
// bucket's owner alone: nobody else writes, so plain loads of the whole line are no race.
[[nodiscard]] inline std::uint32_t matches_of(const shm::FlowBucket& bucket,
                                              std::uint32_t signature) noexcept {
#if defined(__SSE2__)
    const auto* const line = static_cast<const __m128i*>(static_cast<const void*>(&bucket));
    const __m128i wanted = _mm_set1_epi32(static_cast<int>(signature));
    const auto high_halves = [line](std::size_t i) {  // of four entries
        return _mm_castps_si128(_mm_shuffle_ps(_mm_castsi128_ps(_mm_load_si128(line + i)),
                                               _mm_castsi128_ps(_mm_load_si128(line + i + 1)),
                                               _MM_SHUFFLE(3, 1, 3, 1)));
    };
    const __m128i equal = _mm_packs_epi32(_mm_cmpeq_epi32(high_halves(0), wanted),
                                          _mm_cmpeq_epi32(high_halves(2), wanted));
    return static_cast<std::uint32_t>(
        _mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())));
#else
    std::uint32_t matches = 0;
    for (std::size_t i = 0; i < shm::kFlowsPerBucket; ++i) {
        const FlowEntry entry(bucket.entries[i].load(std::memory_order_relaxed));
        matches |= (entry.signature() == signature ? 1U : 0U) << i;
    }
    return matches;
#endif
}

}  // namespace flow_detail

inline FlowEntry FlowTableView::find(std::uint64_t hash) const noexcept {
    const BucketPair pair = bucket_pair(hash, mask_);
    for (const std::size_t index : {pair.first, pair.second}) {
        const std::size_t i = flow_detail::position_of(buckets_[index], flow_signature(hash));
        if (i < shm::kFlowsPerBucket) {
            // Loaded again: its owner may have changed it, also to another flow of this bucket.
            const FlowEntry entry(buckets_[index].entries[i].load(std::memory_order_relaxed));
            return entry.signature() == flow_signature(hash) ? entry : FlowEntry{};
        }
    }
    return {};
}

inline FlowPlace FlowTable::find(std::uint64_t hash) noexcept {
    // Both buckets are compared before anything is decided: which of the two has the flow is a coin
    // toss that no branch predictor gets right.
    const BucketPair pair = bucket_pair(hash, mask_);
    const std::uint32_t signature = flow_signature(hash);
    std::uint32_t matches = flow_detail::matches_of(buckets_[pair.first], signature) |
                            flow_detail::matches_of(buckets_[pair.second], signature)
                                << shm::kFlowsPerBucket;
    for (; matches != 0; matches &= matches - 1) {
        const auto i = static_cast<unsigned>(std::countr_zero(matches));
        const std::size_t index = i < shm::kFlowsPerBucket ? pair.first : pair.second;
        auto& word = buckets_[index].entries[i % shm::kFlowsPerBucket];
        const FlowEntry entry(word.load(std::memory_order_relaxed));
        if (entry.state() != FlowState::kEmpty) {
            return {&word, entry};
        }
    }
    return {};
}

}  // namespace fairlead
