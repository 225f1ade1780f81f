#include "dp/forward/fragments/fragment_table.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/packets.h"

namespace fairlead {
namespace {

using testing::address;

constexpr std::uint64_t kSeed = 0x0123'4567'89AB'CDEF;

FragmentKey key_of(std::uint32_t number) {
    return {address("198.51.100.7"), address("203.0.113.10"), number, 17};
}

// Leaves an entry; false: the bucket was taken.
bool remember(FragmentTable& table, std::uint32_t number, std::uint64_t now_ms) {
    const FragmentKey key = key_of(number);
    FragmentVisit visit(table, kSeed, key, now_ms);
    if (!visit.has_access()) {
        return false;
    }
    FragmentEntry* const found = visit.find();
    FragmentEntry& entry = found != nullptr ? *found : visit.make();
    entry.backend = BackendIndex{static_cast<std::uint16_t>(number)};
    entry.port = Be16::from_host(static_cast<std::uint16_t>(number));
    entry.protocol = 17;
    entry.prolong(now_ms);
    return true;
}

// The backend that is remembered, or kNoBackendIndex.
BackendIndex backend_of(FragmentTable& table, std::uint32_t number, std::uint64_t now_ms) {
    const FragmentKey key = key_of(number);
    FragmentVisit visit(table, kSeed, key, now_ms);
    FragmentEntry* const entry = visit.find();
    return entry == nullptr ? kNoBackendIndex : entry->backend;
}

TEST(FragmentTable, FindsADatagramByItsWholeKeyUntilItsTimeIsOver) {
    std::vector<FragmentBucket> buckets(8);
    FragmentTable table(buckets);
    ASSERT_TRUE(remember(table, 5, 100));
    EXPECT_EQ(backend_of(table, 5, 100 + kFragmentLifeMs - 1), BackendIndex{5});
    EXPECT_EQ(backend_of(table, 5, 100 + kFragmentLifeMs), kNoBackendIndex);
    EXPECT_EQ(backend_of(table, 6, 100), kNoBackendIndex);
    for (const FragmentKey& other :
         {FragmentKey{address("198.51.100.8"), address("203.0.113.10"), 5, 17},
          FragmentKey{address("198.51.100.7"), address("203.0.113.11"), 5, 17},
          FragmentKey{address("198.51.100.7"), address("203.0.113.10"), 5, 6}}) {
        FragmentVisit visit(table, kSeed, other, 100);
        EXPECT_EQ(visit.find(), nullptr);
    }
}

// One bucket: every key is a collision.
TEST(FragmentTable, InAFullBucketTheOldestGoes) {
    std::vector<FragmentBucket> buckets(1);
    FragmentTable table(buckets);
    for (std::uint32_t number = 1; number <= kFragmentsPerBucket; ++number) {
        ASSERT_TRUE(remember(table, number, 100 + number));
    }
    ASSERT_TRUE(remember(table, 1, 200));  // seen again
    ASSERT_TRUE(remember(table, 9, 300));
    EXPECT_EQ(backend_of(table, 2, 300), kNoBackendIndex);
    for (const std::uint32_t number : {1U, 3U, 4U, 9U}) {
        EXPECT_EQ(backend_of(table, number, 300), BackendIndex{static_cast<std::uint16_t>(number)});
    }
}

TEST(FragmentTable, AnEmptyOrExpiredEntryGoesBeforeALivingOne) {
    std::vector<FragmentBucket> buckets(1);
    FragmentTable table(buckets);
    for (std::uint32_t number = 1; number <= kFragmentsPerBucket; ++number) {
        ASSERT_TRUE(remember(table, number, number == 3 ? 0 : 5'000));
    }
    ASSERT_TRUE(remember(table, 9, 5'000));
    EXPECT_EQ(backend_of(table, 1, 5'000), BackendIndex{1});
    EXPECT_EQ(backend_of(table, 2, 5'000), BackendIndex{2});
    EXPECT_EQ(backend_of(table, 4, 5'000), BackendIndex{4});
}

TEST(FragmentTable, ATakenBucketGivesNoAccessAndNobodyWaits) {
    std::vector<FragmentBucket> buckets(1);
    FragmentTable table(buckets);
    const FragmentKey mine = key_of(1);
    const FragmentKey other = key_of(2);
    {
        const FragmentVisit visit(table, kSeed, mine, 0);
        ASSERT_TRUE(visit.has_access());
        const FragmentVisit second(table, kSeed, other, 0);
        EXPECT_FALSE(second.has_access());
    }
    const FragmentVisit third(table, kSeed, other, 0);
    EXPECT_TRUE(third.has_access());
}

// For ThreadSanitizer, and for what a torn entry would show: backend and port are always one pair.
TEST(FragmentTable, SeveralWorkersNeverSeeHalfAnEntry) {
    std::vector<FragmentBucket> buckets(4);
    FragmentTable table(buckets);
    std::atomic<std::uint32_t> torn = 0;
    std::atomic<std::uint32_t> found = 0;
    std::vector<std::thread> workers;
    for (std::uint32_t worker = 0; worker < 3; ++worker) {
        workers.emplace_back([&table, &torn, &found, worker] {
            for (std::uint32_t round = 0; round < 20'000; ++round) {
                const std::uint32_t number = 1 + (round * 7 + worker) % 40;
                if (round % 2 == 0) {
                    (void)remember(table, number, round);
                    continue;
                }
                const FragmentKey key = key_of(number);
                FragmentVisit visit(table, kSeed, key, round);
                const FragmentEntry* const entry = visit.has_access() ? visit.find() : nullptr;
                if (entry != nullptr) {
                    const bool is_one = entry->key == key && entry->port.host() == number &&
                                        to_number(entry->backend) == number;
                    torn.fetch_add(is_one ? 0 : 1, std::memory_order_relaxed);
                    found.fetch_add(1, std::memory_order_relaxed);
                }
            }
        });
    }
    for (std::thread& worker : workers) {
        worker.join();
    }
    EXPECT_EQ(torn.load(), 0U);
    EXPECT_GT(found.load(), 1'000U);
}

}  // namespace
}  // namespace fairlead
