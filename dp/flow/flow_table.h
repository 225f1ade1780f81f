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
//   F1. single-writer. One thread writes a table, its worker. Others read single words
//       (FlowTableView): an entry is whole or it is not there, and no two words depend on each
//       other, so relaxed order is enough.
//   F2. A flow stands in a table at most once: insert() is called after find() has missed.
//   F3. An entry is empty by its state if and only if it is 0 as a whole. active_flows of a backend
//       is the number of its entries in this table, whatever their state; flow_entries is the sum.
//       Both are counted anew when a table is taken over.
//   F4. Quotas: there are at most half the capacity of unproven entries, and at most as many of
//       proven datagram flows (a table taken over may hold more, and gets none until it does not).
//       A SYN that meets the quota leaves no entry; its flow's next packet makes one. Any other
//       first packet takes the place of another unproven entry; where its two buckets have none, it
//       takes a free place, and an unproven entry of the buckets behind the first one goes. A
//       datagram flow that meets its quota stays unproven. So neither kind, however many come,
//       takes the room of TCP connections.
//   F5. When both buckets are full, a new entry takes the place of, in this order: one past its
//       deadline; unless the packet is a SYN, the unproven one nearest to its deadline; the closing
//       one nearest to its deadline, if that has had no packet for kClosingGraceTicks, or if the
//       new entry is proven itself (adopted from another worker). No other entry ever goes before
//       its time.
//   F6. Where nothing can go, insert() refuses: the caller falls back to the ring, and the refusal
//       is counted.
//
// Example: hash 0x5A5A'0001'0000'0007 in a table of 4,096 buckets: b1 = 7. The signature
// 0x5A5A'0001 mixes to 0x341, so b2 = 7 xor 0x341 = 0x346; from an entry with that signature found
// in bucket 0x346 the other one is 0x346 xor 0x341 = 7 again.
//
// Ownership: the buckets and counters belong to the caller and outlive the table.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dp/flow/bucket_scan.h"
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

    // For who looks at every entry. Empty where there is no table.
    [[nodiscard]] std::span<const shm::FlowBucket> buckets() const noexcept {
        return {buckets_, buckets_ == nullptr ? 0 : mask_ + 1};
    }

  private:
    const shm::FlowBucket* buckets_ = nullptr;
    std::size_t mask_ = 0;
};

// Where a flow stands in the own table, and what stood there when it was looked up.
struct FlowPlace {
    std::atomic<std::uint64_t>* word = nullptr;
    FlowEntry entry;  // empty: it stands nowhere

    [[nodiscard]] bool is_found() const noexcept { return !entry.is_empty(); }
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
        if (after == place.entry) {
            return;
        }
        if (after.state() != place.entry.state()) [[unlikely]] {
            change_state(place, after.state(), event, now);
            return;
        }
        store(*place.word, place.entry, after);
    }
    // Gives a found entry to another backend. Requires place.is_current().
    void replace(const FlowPlace& place,
                 const NewFlow& flow,
                 FlowEvent event,
                 FlowTick now) noexcept;
    // Whether insert() of an unproven flow by a SYN would be refused. What a flood of SYNs asks
    // first, and gets to know at the least price.
    [[nodiscard]] bool is_at_quota() const noexcept {
        return count_of(FlowState::kUnproven) >= quota();
    }
    // Counts such a SYN as if insert() had been called.
    void refuse_syn() noexcept {
        count_refused_unproven();
        worker_->flow_insert_failures.add(1);
    }
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
                    count_expired(entry, is_expired);
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
    // How many unproven entries there may be, and how many proven ones of datagrams.
    [[nodiscard]] std::size_t quota() const noexcept { return capacity() / 2; }
    [[nodiscard]] std::size_t entry_count() const noexcept { return entry_count_; }
    [[nodiscard]] std::size_t count_of(FlowState state) const noexcept {
        return counts_[static_cast<std::size_t>(state)];
    }

  private:
    // The one place that writes an entry: keeps F3 and F4's counts.
    void store(std::atomic<std::uint64_t>& word, FlowEntry before, FlowEntry after) noexcept {
        // Pairs with the relaxed loads of FlowTableView in other workers: a word is all they need
        // (single-writer).
        word.store(after.raw(), std::memory_order_relaxed);
        if (before.state() != after.state() || before.backend() != after.backend()) {
            account(before, after);
        }
    }
    void account(FlowEntry before, FlowEntry after) noexcept;
    void change_state(const FlowPlace& place,
                      FlowState state,
                      FlowEvent event,
                      FlowTick now) noexcept;
    // `state`, or what the quota leaves of it.
    [[nodiscard]] FlowState within_quota(FlowState before, FlowState state) noexcept;
    void count_refused_unproven() noexcept {
        worker_->flow_quota_refusals[static_cast<std::size_t>(FlowState::kUnproven)].add(1);
    }
    void count_expired(FlowEntry entry, bool is_expired) noexcept {
        worker_->flow_expired[static_cast<std::size_t>(entry.state())].add(is_expired ? 1 : 0);
    }
    // A word that a new entry may overwrite, and what stands in it; nullptr: none may.
    [[nodiscard]] FlowPlace make_room(BucketPair pair,
                                      FlowState state,
                                      FlowEvent event,
                                      FlowTick now) noexcept;
    // The same for an unproven entry where there may not be more of them.
    [[nodiscard]] FlowPlace room_at_quota(BucketPair pair, FlowTick now) noexcept;
    [[nodiscard]] FlowPlace free_place(BucketPair pair) noexcept;
    [[nodiscard]] FlowPlace expired_place(BucketPair pair, FlowTick now) noexcept;
    // The entry in this state that is nearest to its end.
    [[nodiscard]] FlowPlace nearest(BucketPair pair, FlowState state, FlowTick now) noexcept;
    // The same place, whose entry, if there is one, is counted as one that goes.
    FlowPlace evict(const FlowPlace& place, FlowTick now) noexcept;
    // The closing one, if it may go for a flow of this state.
    [[nodiscard]] FlowPlace closing_victim(BucketPair pair, FlowState state, FlowTick now) noexcept;
    // 0 to 7: in the first bucket, 8 to 15: in the second.
    [[nodiscard]] FlowPlace place_at(BucketPair pair, unsigned position) noexcept {
        const std::size_t index = position < shm::kFlowsPerBucket ? pair.first : pair.second;
        auto& word = buckets_[index].entries[position % shm::kFlowsPerBucket];
        return {&word, FlowEntry(word.load(std::memory_order_relaxed))};
    }

    shm::FlowBucket* buckets_;
    std::size_t mask_;
    shm::WorkerBlock* worker_;
    std::span<shm::BackendCounters> backends_;
    std::size_t entry_count_ = 0;
    std::array<std::size_t, kFlowStateCodes> counts_{};
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
    // toss that no branch predictor gets right, and in a flood so is whether one has it.
    const BucketPair pair = bucket_pair(hash, mask_);
    const std::uint32_t signature = flow_signature(hash);
    std::uint32_t matches = flow_detail::matches_of(buckets_[pair.first], signature) |
                            flow_detail::matches_of(buckets_[pair.second], signature)
                                << shm::kFlowsPerBucket;
    while ((matches & (matches - 1)) != 0)
        [[unlikely]] {  // empty entries, if it is 0
            const FlowPlace place =
                place_at(pair, static_cast<unsigned>(std::countr_zero(matches)));
            if (!place.entry.is_empty()) {
                return place;
            }
            matches &= matches - 1;
        }
    FlowPlace place = place_at(pair, static_cast<unsigned>(std::countr_zero(matches | 1U << 15U)));
    // Emptied where nothing matches; by a mask, since `?:` becomes a branch.
    const std::uint64_t is_match = matches != 0 ? 1 : 0;
    place.entry = FlowEntry(place.entry.raw() & (std::uint64_t{0} - is_match));
    return place;
}

}  // namespace fairlead
