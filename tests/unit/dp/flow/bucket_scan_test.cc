// The searches over whole buckets, against a plain reading of the same entries.
#include "dp/flow/bucket_scan.h"

#include <array>
#include <memory>
#include <random>

#include <gtest/gtest.h>

namespace fairlead::flow_detail {
namespace {

// Any words at all: what an engine that takes a segment over may find.
struct Pair {
    explicit Pair(std::mt19937_64& random) {
        for (shm::FlowBucket* const bucket : {&first, &second}) {
            for (auto& word : bucket->entries) {
                const std::uint64_t value = random() % 3 == 0 ? 0 : random();
                word.store(value, std::memory_order_relaxed);
            }
        }
    }
    [[nodiscard]] FlowEntry at(unsigned position) const {
        const auto& bucket = position < shm::kFlowsPerBucket ? first : second;
        return FlowEntry(
            bucket.entries[position % shm::kFlowsPerBucket].load(std::memory_order_relaxed));
    }
    shm::FlowBucket first{};
    shm::FlowBucket second{};
};

TEST(BucketScan, TellsTheEntriesOfAState) {
    std::mt19937_64 random(1);
    for (int round = 0; round < 100'000; ++round) {
        const Pair pair(random);
        const auto state = static_cast<FlowState>(random() % kFlowStateCodes);
        std::uint32_t expected = 0;
        for (unsigned i = 0; i < shm::kFlowsPerBucket; ++i) {
            expected |= (pair.at(i).state() == state ? 1U : 0U) << i;
        }
        ASSERT_EQ(entries_in(pair.first, state), expected);
    }
}

TEST(BucketScan, TellsTheEntryNearestToItsEnd) {
    std::mt19937_64 random(2);
    int found = 0;
    for (int round = 0; round < 200'000; ++round) {
        const Pair pair(random);
        const auto state = static_cast<FlowState>(1 + random() % 4);
        const FlowTick now{random()};
        unsigned expected = kNoPosition;
        for (unsigned i = 0; i < kNoPosition; ++i) {
            if (pair.at(i).state() == state &&
                (expected == kNoPosition ||
                 pair.at(i).ticks_left(now) < pair.at(expected).ticks_left(now))) {
                expected = i;
            }
        }
        ASSERT_EQ(nearest_to_end(pair.first, pair.second, state, now), expected);
        found += expected == kNoPosition ? 0 : 1;
    }
    EXPECT_GT(found, 100'000);
}

TEST(BucketScan, TellsTheEntriesWithASignature) {
    std::mt19937_64 random(3);
    for (int round = 0; round < 100'000; ++round) {
        Pair pair(random);
        const std::uint32_t signature = pair.at(static_cast<unsigned>(random() % 8)).signature();
        std::uint32_t expected = 0;
        for (unsigned i = 0; i < shm::kFlowsPerBucket; ++i) {
            expected |= (pair.at(i).signature() == signature ? 1U : 0U) << i;
        }
        ASSERT_EQ(matches_of(pair.first, signature), expected);
    }
}

}  // namespace
}  // namespace fairlead::flow_detail
