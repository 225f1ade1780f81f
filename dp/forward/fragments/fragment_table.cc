#include "dp/forward/fragments/fragment_table.h"

#include "dp/flow/flow_hash.h"

namespace fairlead {

namespace {

// Another function than the flows' own, by the same seed.
constexpr std::uint64_t kSeedTurn = 0xB7E1'5162'8AED'2A6AULL;  // the fraction of e

[[nodiscard]] std::uint64_t hash_of(std::uint64_t seed, const FragmentKey& key) noexcept {
    const TransportKey transport{
        Be16::from_raw(static_cast<std::uint16_t>(key.identification)),
        Be16::from_raw(static_cast<std::uint16_t>(key.identification >> 16U)),
        static_cast<std::uint8_t>(key.protocol)};
    return flow_hash_v6(seed ^ kSeedTurn, key.source.bytes(), key.destination.bytes(), transport);
}

}  // namespace

FragmentVisit::FragmentVisit(FragmentTable& table,
                             std::uint64_t seed,
                             const FragmentKey& key,
                             std::uint64_t now_ms) noexcept
    : key_(key), now_ms_(now_ms) {
    FragmentBucket& bucket = table.buckets_[hash_of(seed, key) & table.mask_];
    bool expected = false;
    // Pairs with the release in the destructor, of whichever worker was here last (R1).
    if (bucket.is_taken.compare_exchange_strong(
            expected, true, std::memory_order_acquire, std::memory_order_relaxed)) {
        bucket_ = &bucket;
    }
}

FragmentVisit::~FragmentVisit() {
    if (bucket_ != nullptr) {
        // Pairs with the acquire of the next visit (R1).
        bucket_->is_taken.store(false, std::memory_order_release);
    }
}

FragmentEntry* FragmentVisit::find() noexcept {
    for (FragmentEntry& entry : bucket_->entries) {
        if (!entry.is_empty() && entry.key == key_ && now_ms_ < entry.deadline_ms) {
            return &entry;
        }
    }
    return nullptr;
}

FragmentEntry& FragmentVisit::make() noexcept {
    FragmentEntry* oldest = nullptr;
    for (FragmentEntry& entry : bucket_->entries) {
        if (entry.is_empty() || entry.key == key_) {  // its own former one is past its time
            oldest = &entry;
            break;
        }
        if (oldest == nullptr || entry.deadline_ms < oldest->deadline_ms) {
            oldest = &entry;
        }
    }
    *oldest = FragmentEntry{};
    oldest->key = key_;
    return *oldest;
}

}  // namespace fairlead
