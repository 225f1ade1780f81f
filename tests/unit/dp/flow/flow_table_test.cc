#include "dp/flow/flow_table.h"

#include <array>
#include <memory>
#include <random>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

namespace fairlead {
namespace {

constexpr std::size_t kBackends = 16;

// A table with counters of its own.
struct Table {
    explicit Table(std::size_t bucket_count)
        : buckets(bucket_count),
          backends(kBackends),
          worker(std::make_unique<shm::WorkerBlock>()),
          flows(buckets, *worker, backends) {}

    bool insert(std::uint64_t hash,
                unsigned backend = 1,
                FlowState state = FlowState::kUnproven,
                std::uint64_t tick = 0,
                FlowEvent event = FlowEvent::kData) {
        const NewFlow flow{hash, BackendIndex{static_cast<std::uint16_t>(backend)}, 1, state};
        return flows.insert(flow, event, FlowTick{tick});
    }
    // A second packet of the client.
    void prove(std::uint64_t hash, std::uint64_t tick = 0, FlowEvent event = FlowEvent::kData) {
        flows.touch(flows.find(hash), event, FlowTick{tick});
    }
    [[nodiscard]] static std::uint64_t counted(
        const std::array<shm::Counter, kFlowStateCodes>& counters, FlowState state) {
        return counters[static_cast<std::size_t>(state)].get();
    }
    [[nodiscard]] std::uint64_t evicted(FlowState state) const {
        return counted(worker->flow_evictions, state);
    }
    [[nodiscard]] std::uint64_t expired(FlowState state) const {
        return counted(worker->flow_expired, state);
    }
    [[nodiscard]] std::uint64_t refused(FlowState state) const {
        return counted(worker->flow_quota_refusals, state);
    }
    std::size_t sweep_all(std::uint64_t tick) {
        return flows.sweep(
            buckets.size(), FlowTick{tick}, [](BackendIndex, std::uint32_t) { return true; });
    }

    std::vector<shm::FlowBucket> buckets;
    std::vector<shm::BackendCounters> backends;
    std::unique_ptr<shm::WorkerBlock> worker;
    FlowTable flows;
};

TEST(BucketPair, EachBucketLeadsToTheOther) {
    std::mt19937_64 random(1);
    for (int i = 0; i < 10'000; ++i) {
        const std::uint64_t hash = random();
        const BucketPair pair = bucket_pair(hash, 4'095);
        EXPECT_NE(pair.first, pair.second);
        EXPECT_LT(pair.second, 4'096U);
        const std::uint64_t from_second =
            (hash & 0xFFFF'FFFF'0000'0000U) | static_cast<std::uint64_t>(pair.second);
        EXPECT_EQ(bucket_pair(from_second, 4'095).second, pair.first);
    }
}

TEST(BucketPair, IsThatOfTheWorkedExample) {
    const BucketPair pair = bucket_pair(0x5A5A'0001'0000'0007, 4'095);
    EXPECT_EQ(pair.first, 7U);
    EXPECT_EQ(pair.second, 0x346U);
}

TEST(FlowTable, FindsWhatWasInsertedAndNothingElse) {
    Table table(64);
    EXPECT_FALSE(table.flows.find(42).is_found());
    ASSERT_TRUE(table.insert(42, 7));
    const FlowPlace place = table.flows.find(42);
    ASSERT_TRUE(place.is_found());
    EXPECT_EQ(place.entry.backend(), BackendIndex{7});
    EXPECT_EQ(place.entry.state(), FlowState::kUnproven);
    EXPECT_FALSE(table.flows.find(42 + (1ULL << 32U)).is_found()) << "the same first bucket";
}

TEST(FlowTable, AnEmptyEntryIsNotAFlowWithSignatureZero) {
    Table table(64);
    EXPECT_FALSE(table.flows.find(5).is_found());
    ASSERT_TRUE(table.insert(5));
    EXPECT_TRUE(table.flows.find(5).is_found());
}

TEST(FlowTable, OthersSeeWhatTheOwnerHasWritten) {
    Table table(64);
    const FlowTableView view{std::span<const shm::FlowBucket>(table.buckets)};
    EXPECT_TRUE(view.find(42).is_empty());
    ASSERT_TRUE(table.insert(42, 7));
    EXPECT_EQ(view.find(42), table.flows.find(42).entry);
}

TEST(FlowTable, AWordIsStoredOnlyWhenItChanges) {
    Table table(64);
    ASSERT_TRUE(table.insert(42));
    table.prove(42, 10);
    const FlowEntry before = table.flows.find(42).entry;
    table.prove(42, 10);
    EXPECT_EQ(table.flows.find(42).entry, before);
    table.prove(42, 11);
    EXPECT_NE(table.flows.find(42).entry, before);
    EXPECT_EQ(table.flows.find(42).entry.ticks_left(FlowTick{11}), 450);
}

TEST(FlowTable, CountsTheActiveFlowsOfEachBackend) {
    Table table(64);
    ASSERT_TRUE(table.insert(1, 3));
    ASSERT_TRUE(table.insert(2, 3));
    ASSERT_TRUE(table.insert(3, 4));
    EXPECT_EQ(table.backends[3].active_flows.get(), 2U);
    table.flows.replace(table.flows.find(2),
                        {2, BackendIndex{4}, 1, FlowState::kUnproven},
                        FlowEvent::kOpen,
                        FlowTick{0});
    EXPECT_EQ(table.backends[3].active_flows.get(), 1U);
    EXPECT_EQ(table.backends[4].active_flows.get(), 2U);
    EXPECT_EQ(table.worker->flow_entries.get(), 3U);
    EXPECT_EQ(table.sweep_all(50), 3U);
    EXPECT_EQ(table.backends[4].active_flows.get(), 0U);
    EXPECT_EQ(table.worker->flow_entries.get(), 0U);
    EXPECT_EQ(table.expired(FlowState::kUnproven), 3U);
}

TEST(FlowTable, ATableTakenOverIsCountedAnew) {
    Table table(64);
    ASSERT_TRUE(table.insert(1, 3));
    ASSERT_TRUE(table.insert(2, 5));
    table.prove(2);
    std::vector<shm::BackendCounters> backends(kBackends);
    backends[9].active_flows.set(77);
    auto worker = std::make_unique<shm::WorkerBlock>();
    const FlowTable next(table.buckets, *worker, backends);
    EXPECT_EQ(backends[3].active_flows.get(), 1U);
    EXPECT_EQ(backends[5].active_flows.get(), 1U);
    EXPECT_EQ(backends[9].active_flows.get(), 0U);
    EXPECT_EQ(next.entry_count(), 2U);
    EXPECT_EQ(next.count_of(FlowState::kUnproven), 1U);
    EXPECT_EQ(worker->flow_entries.get(), 2U);
    EXPECT_EQ(worker->flow_capacity.get(), 256U);
}

TEST(FlowTable, ATableTakenOverLosesWhatNoTableWouldWrite) {
    std::vector<shm::FlowBucket> buckets(2);
    buckets[1].entries[3].store(0x1234'5678'0000'0001, std::memory_order_relaxed);  // no state
    buckets[0].entries[2].store(0x1234'5678'0000'0A01, std::memory_order_relaxed);  // state 5
    std::vector<shm::BackendCounters> backends(kBackends);
    auto worker = std::make_unique<shm::WorkerBlock>();
    const FlowTable table(buckets, *worker, backends);
    EXPECT_EQ(table.entry_count(), 0U);
    EXPECT_EQ(buckets[1].entries[3].load(std::memory_order_relaxed), 0U);
    EXPECT_EQ(buckets[0].entries[2].load(std::memory_order_relaxed), 0U);
}

TEST(FlowTable, AnEntryGoesAfterItsIdleTimeAndNotBefore) {
    Table table(64);
    ASSERT_TRUE(table.insert(1));
    ASSERT_TRUE(table.insert(2));
    table.prove(2);
    EXPECT_EQ(table.sweep_all(kUnprovenTicks), 0U);
    EXPECT_EQ(table.sweep_all(kUnprovenTicks + 1), 1U);
    EXPECT_FALSE(table.flows.find(1).is_found());
    EXPECT_EQ(table.sweep_all(kEstablishedTicks), 0U);
    EXPECT_EQ(table.sweep_all(kEstablishedTicks + 1), 1U);
}

TEST(FlowTable, TheSweepRemovesWhatIsNotKept) {
    Table table(64);
    for (std::uint64_t hash = 0; hash < 100; ++hash) {
        ASSERT_TRUE(table.insert(hash, hash % 2 == 0 ? 2 : 3));
    }
    const auto keeps = [](BackendIndex backend, std::uint32_t incarnation) {
        return backend == BackendIndex{2} && incarnation == 1;
    };
    std::size_t removed = 0;
    for (int i = 0; i < 64; ++i) {
        removed += table.flows.sweep(1, FlowTick{0}, keeps);
    }
    EXPECT_EQ(removed, 50U);
    EXPECT_EQ(table.backends[2].active_flows.get(), 50U);
    EXPECT_EQ(table.backends[3].active_flows.get(), 0U);
    EXPECT_EQ(table.expired(FlowState::kUnproven), 0U) << "they did not expire";
}

TEST(FlowTable, AFloodOfSinglePacketsNeverCostsAnEstablishedFlowItsEntry) {
    Table table(512);
    std::mt19937_64 random(3);
    std::vector<std::uint64_t> established;
    while (established.size() < table.flows.capacity() / 2) {
        const std::uint64_t hash = random();
        ASSERT_TRUE(table.insert(hash));
        table.prove(hash);
        established.push_back(hash);
    }
    for (int i = 0; i < 1'000'000; ++i) {
        table.insert(random(), 2);
    }
    for (const std::uint64_t hash : established) {
        ASSERT_TRUE(table.flows.find(hash).is_found());
    }
    EXPECT_LE(table.flows.count_of(FlowState::kUnproven), table.flows.capacity() / 2);
    EXPECT_GT(table.evicted(FlowState::kUnproven), 0U);
    EXPECT_EQ(table.backends[2].active_flows.get(), table.flows.count_of(FlowState::kUnproven));
}

TEST(FlowTable, AFullPairOfBucketsEvictsTheOldestUnprovenFlow) {
    Table table(2);  // both buckets are everybody's pair
    for (std::uint64_t hash = 1; hash <= 16; ++hash) {
        ASSERT_TRUE(table.insert(hash << 32U, 1, FlowState::kEstablished));
    }
    EXPECT_FALSE(table.insert(17ULL << 32U, 2, FlowState::kEstablished));
    EXPECT_EQ(table.worker->flow_insert_failures.get(), 1U);

    Table mixed(2);
    for (std::uint64_t hash = 1; hash <= 13; ++hash) {
        ASSERT_TRUE(mixed.insert(hash << 32U, 1, FlowState::kEstablished));
    }
    for (std::uint64_t hash = 14; hash <= 16; ++hash) {
        ASSERT_TRUE(mixed.insert(hash << 32U, 1, FlowState::kUnproven, 20 - hash));
    }
    ASSERT_TRUE(mixed.insert(17ULL << 32U, 2, FlowState::kEstablished, 6));
    EXPECT_FALSE(mixed.flows.find(16ULL << 32U).is_found()) << "the nearest to its deadline";
    EXPECT_TRUE(mixed.flows.find(15ULL << 32U).is_found());
    EXPECT_EQ(mixed.evicted(FlowState::kUnproven), 1U);
}

TEST(FlowTable, AFullPairOfBucketsTakesAnExpiredPlace) {
    Table table(2);
    for (std::uint64_t hash = 1; hash <= 16; ++hash) {
        ASSERT_TRUE(table.insert(hash << 32U, 1, FlowState::kEstablished, hash == 9 ? 0 : 50));
    }
    EXPECT_TRUE(table.insert(17ULL << 32U, 2, FlowState::kEstablished, 451));
    EXPECT_FALSE(table.flows.find(9ULL << 32U).is_found());
    EXPECT_EQ(table.expired(FlowState::kEstablished), 1U);
    EXPECT_EQ(table.evicted(FlowState::kEstablished), 0U);
}

TEST(FlowTable, ASynTakesWhatIsFreeUnderTheQuotaAndNobodysPlace) {
    Table table(512);
    std::mt19937_64 random(5);
    const std::size_t quota = table.flows.quota();
    std::vector<std::uint64_t> first;
    while (first.size() < quota) {
        first.push_back(random());
        ASSERT_FALSE(table.flows.is_at_quota());
        ASSERT_TRUE(table.insert(first.back(), 1, FlowState::kUnproven, 0, FlowEvent::kOpen));
    }
    for (int i = 0; i < 100'000; ++i) {
        const std::uint64_t hash = random();
        ASSERT_TRUE(table.flows.is_at_quota());
        table.flows.refuse_syn();
        ASSERT_FALSE(table.insert(hash, 2, FlowState::kUnproven, 1, FlowEvent::kOpen));
    }
    for (const std::uint64_t hash : first) {
        ASSERT_TRUE(table.flows.find(hash).is_found());
    }
    EXPECT_EQ(table.refused(FlowState::kUnproven), 200'000U);
    EXPECT_EQ(table.worker->flow_insert_failures.get(), 200'000U);
    EXPECT_EQ(table.evicted(FlowState::kUnproven), 0U);
    // The client's next packet makes the entry, at the cost of a flood's, and proves it.
    ASSERT_TRUE(table.insert(7, 3, FlowState::kUnproven, 1));
    table.prove(7, 1);
    EXPECT_EQ(table.flows.find(7).entry.state(), FlowState::kEstablished);
    EXPECT_EQ(table.evicted(FlowState::kUnproven), 1U);
}

TEST(FlowTable, AFullPairOfBucketsHasNoPlaceForASynBelowTheQuota) {
    Table table(2);
    for (std::uint64_t hash = 1; hash <= 16; ++hash) {
        ASSERT_TRUE(table.insert(
            hash << 32U, 1, hash <= 3 ? FlowState::kUnproven : FlowState::kEstablished));
    }
    EXPECT_FALSE(table.insert(17ULL << 32U, 2, FlowState::kUnproven, 0, FlowEvent::kOpen));
    EXPECT_TRUE(table.insert(18ULL << 32U, 2, FlowState::kUnproven, 0, FlowEvent::kDatagram));
    EXPECT_EQ(table.evicted(FlowState::kUnproven), 1U);
}

TEST(FlowTable, AnAckAtTheQuotaHasAPlaceWhereNoUnprovenFlowStands) {
    Table table(512);
    std::mt19937_64 random(8);
    while (!table.flows.is_at_quota()) {
        ASSERT_TRUE(table.insert(random(), 1, FlowState::kUnproven, 0, FlowEvent::kOpen));
    }
    // Of this many clients some share no bucket with the flood.
    for (int i = 0; i < 2'000; ++i) {
        const std::uint64_t hash = random();
        ASSERT_TRUE(table.insert(hash, 2, FlowState::kUnproven, 1, FlowEvent::kAcknowledge));
        ASSERT_TRUE(table.flows.find(hash).is_found());
        ASSERT_EQ(table.flows.count_of(FlowState::kUnproven), table.flows.quota());
        ASSERT_EQ(table.flows.entry_count(), table.flows.quota());
    }
    EXPECT_EQ(table.evicted(FlowState::kUnproven), 2'000U) << "each for another one";
    EXPECT_EQ(table.worker->flow_insert_failures.get(), 0U);
}

TEST(FlowTable, AClosingEntryThatHasBeenSilentGivesWayToANewFlowButNotToASyn) {
    Table table(2);
    for (std::uint64_t hash = 1; hash <= 16; ++hash) {
        ASSERT_TRUE(table.insert(hash << 32U,
                                 1,
                                 hash <= 2 ? FlowState::kClosing : FlowState::kEstablished,
                                 hash <= 2 ? hash : 0));
    }
    const std::uint64_t tick = 1 + kClosingGraceTicks;
    EXPECT_FALSE(table.insert(17ULL << 32U, 2, FlowState::kUnproven, tick)) << "half a minute";
    EXPECT_FALSE(table.insert(18ULL << 32U, 2, FlowState::kUnproven, tick + 1, FlowEvent::kOpen));
    EXPECT_TRUE(table.insert(19ULL << 32U, 2, FlowState::kUnproven, tick + 1));
    EXPECT_FALSE(table.flows.find(1ULL << 32U).is_found()) << "the longest without a packet";
    EXPECT_TRUE(table.flows.find(2ULL << 32U).is_found());
    EXPECT_EQ(table.evicted(FlowState::kClosing), 1U);
}

TEST(FlowTable, ClosingEntriesOfThisMomentGiveWayToProvenOnesAlone) {
    Table table(2);
    for (std::uint64_t hash = 1; hash <= 16; ++hash) {
        ASSERT_TRUE(table.insert(hash << 32U,
                                 1,
                                 hash <= 2 ? FlowState::kClosing : FlowState::kEstablished,
                                 2 - hash % 2));
    }
    EXPECT_FALSE(table.insert(17ULL << 32U, 2, FlowState::kUnproven, 2))
        << "one packet of a half-closed download's rival";
    EXPECT_EQ(table.worker->flow_insert_failures.get(), 1U);
    EXPECT_TRUE(table.insert(18ULL << 32U, 2, FlowState::kEstablished, 2));
    EXPECT_FALSE(table.flows.find(1ULL << 32U).is_found()) << "the nearest to its deadline";
    EXPECT_TRUE(table.flows.find(2ULL << 32U).is_found());
    EXPECT_EQ(table.evicted(FlowState::kClosing), 1U);
}

TEST(FlowTable, DatagramFlowsAreProvenUpToTheirQuotaAndTcpHasTheRest) {
    Table table(512);
    std::mt19937_64 random(6);
    for (std::size_t i = 0; i < 4 * table.flows.capacity(); ++i) {
        const std::uint64_t hash = random();
        if (table.insert(hash, 1, FlowState::kUnproven, 0, FlowEvent::kDatagram)) {
            table.prove(hash, 0, FlowEvent::kDatagram);
        }
    }
    const std::size_t quota = table.flows.quota();
    EXPECT_EQ(table.flows.count_of(FlowState::kDatagram), quota);
    EXPECT_LE(table.flows.count_of(FlowState::kUnproven), quota);
    EXPECT_GT(table.refused(FlowState::kDatagram), quota);
    std::size_t tracked = 0;
    for (std::size_t i = 0; i < quota; ++i) {
        const std::uint64_t hash = random();
        tracked += table.insert(hash, 2) ? 1U : 0U;
        if (table.flows.find(hash).is_found()) {
            table.prove(hash);
        }
    }
    EXPECT_GT(tracked, quota * 99 / 100);
    EXPECT_GT(table.flows.count_of(FlowState::kEstablished), quota * 99 / 100);
    EXPECT_EQ(table.flows.count_of(FlowState::kDatagram), quota) << "nobody took their place";
    // Adopting one meets the same quota.
    ASSERT_TRUE(table.insert(9, 3, FlowState::kDatagram, 0, FlowEvent::kDatagram));
    EXPECT_EQ(table.flows.find(9).entry.state(), FlowState::kUnproven);
}

TEST(FlowTable, EachStateHasItsGaugeAndItsExpirations) {
    Table table(64);
    constexpr std::array kStates{
        FlowState::kUnproven, FlowState::kEstablished, FlowState::kClosing, FlowState::kDatagram};
    std::uint64_t hash = 1;
    for (const FlowState state : kStates) {
        for (unsigned i = 0; i < 3 + static_cast<unsigned>(state); ++i) {
            ASSERT_TRUE(table.insert(hash++, 1, state));
        }
    }
    for (const FlowState state : kStates) {
        EXPECT_EQ(table.counted(table.worker->flow_states, state),
                  3U + static_cast<unsigned>(state));
        EXPECT_EQ(table.flows.count_of(state), 3U + static_cast<unsigned>(state));
    }
    EXPECT_EQ(table.counted(table.worker->flow_quota, FlowState::kUnproven), 128U);
    EXPECT_EQ(table.counted(table.worker->flow_quota, FlowState::kDatagram), 128U);
    table.sweep_all(kClosingTicks + 1);
    table.sweep_all(kEstablishedTicks + 1);
    for (const FlowState state : kStates) {
        EXPECT_EQ(table.expired(state), 3U + static_cast<unsigned>(state));
        EXPECT_EQ(table.counted(table.worker->flow_states, state), 0U);
    }
}

// ---- properties

struct Model {
    unsigned backend;
    FlowState state;
    std::uint64_t deadline;
};

TEST(FlowTable, BehavesAsAMapThatForgetsTheIdle) {
    // Few enough flows that nothing is ever refused or evicted: then it is a map with deadlines.
    Table table(1'024);
    std::unordered_map<std::uint64_t, Model> model;
    std::mt19937_64 random(4);
    std::vector<std::uint64_t> keys(1'500);
    for (auto& key : keys) {
        key = random();
    }
    std::uint64_t tick = 0;
    for (int step = 0; step < 200'000; ++step) {
        const std::uint64_t hash = keys[random() % keys.size()];
        const auto event = static_cast<FlowEvent>(random() % kFlowEventCount);
        const FlowPlace place = table.flows.find(hash);
        const auto known = model.find(hash);
        ASSERT_EQ(place.is_found(), known != model.end());
        if (known == model.end()) {
            const auto backend = static_cast<unsigned>(random() % kBackends);
            ASSERT_TRUE(table.flows.insert(
                {hash, BackendIndex{static_cast<std::uint16_t>(backend)}, 1, FlowState::kUnproven},
                event,
                FlowTick{tick}));
            model[hash] = {
                backend, FlowState::kUnproven, tick + idle_ticks(FlowState::kUnproven, event)};
        } else {
            ASSERT_EQ(to_number(place.entry.backend()), known->second.backend);
            ASSERT_EQ(place.entry.state(), known->second.state);
            table.flows.touch(place, event, FlowTick{tick});
            known->second.state = next_state(known->second.state, event);
            known->second.deadline = tick + idle_ticks(known->second.state, event);
        }
        if (step % 500 == 0) {
            tick += random() % 20;
            table.sweep_all(tick);
            std::erase_if(model, [tick](const auto& item) { return item.second.deadline < tick; });
            ASSERT_EQ(table.flows.entry_count(), model.size());
        }
    }
    std::vector<std::uint64_t> active(kBackends);
    for (const auto& [hash, flow] : model) {
        ++active[flow.backend];
    }
    for (std::size_t backend = 0; backend < kBackends; ++backend) {
        EXPECT_EQ(table.backends[backend].active_flows.get(), active[backend]);
    }
}

TEST(FlowTable, AtConfiguredCapacityNoEstablishedFlowGoesUntracked) {
    // One in a million is what may; eight tables of a million flows each lose none.
    std::uint64_t untracked = 0;
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
        Table table(1U << 18U);
        ASSERT_EQ(table.flows.capacity(), 1U << 20U);
        std::mt19937_64 random(seed);
        for (std::size_t flow = 0; flow < table.flows.capacity(); ++flow) {
            const std::uint64_t hash = random();
            untracked += table.insert(hash) ? 0U : 1U;
            if (table.flows.find(hash).is_found()) {
                table.prove(hash);
            }
        }
        ASSERT_EQ(table.evicted(FlowState::kUnproven), 0U);
    }
    EXPECT_LE(untracked, 8U);
}

}  // namespace
}  // namespace fairlead
