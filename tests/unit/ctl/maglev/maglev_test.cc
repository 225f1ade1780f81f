// The Maglev ring: the paper's example, the invariants of its header, and how much a change
// disturbs.
#include "ctl/maglev/maglev.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace fairlead {
namespace {

struct NamedWeight {
    std::string name;
    std::uint32_t weight;
};
using Set = std::vector<NamedWeight>;

// The members refer to the set's names.
std::vector<MaglevMember> members_of(const Set& set) {
    std::vector<MaglevMember> members;
    members.reserve(set.size());
    for (const NamedWeight& entry : set) {
        members.push_back({entry.name, entry.weight});
    }
    return members;
}

// The ring, with the names of the owners in place of positions; "" for no owner.
std::vector<std::string> owners(const Set& set, std::uint32_t ring_size = kDefaultRingSize) {
    const auto ring = build_maglev_ring(members_of(set), ring_size);
    EXPECT_TRUE(ring.has_value());
    std::vector<std::string> names;
    names.reserve(ring->size());
    for (const std::uint16_t owner : *ring) {
        names.push_back(owner == kNoMember ? "" : set[owner].name);
    }
    return names;
}

std::map<std::string, std::uint32_t> slots_by_name(const Set& set,
                                                   std::uint32_t ring_size = kDefaultRingSize) {
    std::map<std::string, std::uint32_t> counts;
    for (const std::string& name : owners(set, ring_size)) {
        ++counts[name];
    }
    return counts;
}

Set equal_set(std::size_t count) {
    Set set;
    for (std::size_t i = 0; i < count; ++i) {
        set.push_back({"app-" + std::to_string(i), 1});
    }
    return set;
}

Set random_set(std::mt19937_64& random, std::size_t count, std::uint32_t largest_weight) {
    Set set = equal_set(count);
    for (NamedWeight& entry : set) {
        entry.weight = static_cast<std::uint32_t>(random() % (largest_weight + 1));
    }
    return set;
}

std::uint32_t fingerprint(const Set& set, std::uint32_t ring_size = kDefaultRingSize) {
    const auto members = members_of(set);
    const auto ring = build_maglev_ring(members, ring_size);
    return maglev_fingerprint(members, *ring);
}

// Every backend's slots against its exact share M w / W.
void expect_exact_shares(const Set& set, std::uint32_t ring_size) {
    auto counts = slots_by_name(set, ring_size);
    const double total =
        std::accumulate(set.begin(), set.end(), 0.0, [](double sum, const NamedWeight& entry) {
            return sum + entry.weight;
        });
    std::uint32_t sum = 0;
    for (const NamedWeight& entry : set) {
        const double share = ring_size * double{1} * entry.weight / total;
        const std::uint32_t count = counts[entry.name];
        EXPECT_LT(std::abs(count - share), 1.0) << entry.name << " of weight " << entry.weight;
        sum += count;
    }
    EXPECT_EQ(sum, ring_size);
}

TEST(Maglev, GivesThePapersExample) {
    const std::vector<MaglevVisits> visits = {{3, 4}, {0, 2}, {3, 1}};
    const std::vector<std::uint32_t> weights = {1, 1, 1};
    EXPECT_EQ(fill_maglev_ring(visits, weights, 7), (MaglevRing{1, 0, 1, 0, 2, 2, 0}));
}

TEST(Maglev, GivesThePapersExampleWithoutB1) {
    const std::vector<MaglevVisits> visits = {{3, 4}, {0, 2}, {3, 1}};
    EXPECT_EQ(fill_maglev_ring(visits, std::vector<std::uint32_t>{1, 0, 1}, 7),
              (MaglevRing{0, 0, 0, 0, 2, 2, 2}));
}

// By hand: shares of 7 slots for weights 2, 1 are 5 (4.67) and 2. B0's turns come at times 0, .5,
// 1, 1.5, 2 and B1's at 0, 1: so B0 B1 B0 B0 B1 B0 B0. B0 visits 0 1 2 3 4 5 6, B1 6 5 4 3 2 1 0.
TEST(Maglev, TakesTurnsByWeight) {
    const std::vector<MaglevVisits> visits = {{0, 1}, {6, 6}};
    EXPECT_EQ(fill_maglev_ring(visits, std::vector<std::uint32_t>{2, 1}, 7),
              (MaglevRing{0, 0, 0, 0, 0, 1, 1}));
    // With the same visits for both, the ring is the order of the turns; the heavier one begins.
    const std::vector<MaglevVisits> same = {{0, 1}, {0, 1}};
    EXPECT_EQ(fill_maglev_ring(same, std::vector<std::uint32_t>{2, 1}, 7),
              (MaglevRing{0, 1, 0, 0, 1, 0, 0}));
    EXPECT_EQ(fill_maglev_ring(same, std::vector<std::uint32_t>{1, 2}, 7),
              (MaglevRing{1, 0, 1, 1, 0, 1, 1}));
}

TEST(Maglev, VisitsComeFromTheNameAlone) {
    const MaglevVisits visits = maglev_visits("app-1", kDefaultRingSize);
    EXPECT_EQ(visits.offset, 38508U);  // the oracle's
    EXPECT_EQ(visits.skip, 29397U);
}

TEST(Maglev, SharesAreExactToWithinOneSlot) {
    std::mt19937_64 random(11);
    for (const std::size_t count : {1U, 2U, 3U, 17U, 100U, 1000U}) {
        Set set = random_set(random, count, 256);
        set.front().weight = 1;  // so that not all are 0
        expect_exact_shares(set, kDefaultRingSize);
    }
    expect_exact_shares(random_set(random, 300, 256), kLargeRingSize);
    expect_exact_shares(random_set(random, 100, ~0U - 1), kDefaultRingSize);
}

TEST(Maglev, SharesAreExactForVerySkewedWeights) {
    Set set = equal_set(1000);
    set[500].weight = 256;
    expect_exact_shares(set, kDefaultRingSize);
    set[499].weight = 0;
    set[500].weight = ~0U;  // the others' exact share is far below one slot
    expect_exact_shares(set, kDefaultRingSize);
}

TEST(Maglev, LeftoverSlotsGoToTheLargestRemaindersThenToTheFirstNames) {
    // 7 / 3 = 2 remainder 1: one slot is left over, for the first.
    EXPECT_EQ(maglev_shares(std::vector<std::uint32_t>{1, 1, 1}, 7),
              (std::vector<std::uint32_t>{3, 2, 2}));
    // 7 * 3 / 10 = 2.1, 7 * 3 / 10 = 2.1, 7 * 4 / 10 = 2.8.
    EXPECT_EQ(maglev_shares(std::vector<std::uint32_t>{3, 3, 4}, 7),
              (std::vector<std::uint32_t>{2, 2, 3}));
    auto counts = slots_by_name({{"b", 1}, {"c", 1}, {"a", 1}}, 7);
    EXPECT_EQ(counts["a"], 3U);
}

TEST(Maglev, DoesNotDependOnTheOrderOfTheInput) {
    std::mt19937_64 random(12);
    for (const std::uint32_t largest_weight : {1U, 3U, 256U}) {
        Set set = random_set(random, 50, largest_weight);
        const auto expected = owners(set, 1009);
        for (int round = 0; round < 10; ++round) {
            std::shuffle(set.begin(), set.end(), random);
            EXPECT_EQ(owners(set, 1009), expected);
        }
    }
}

TEST(Maglev, WeightsCountByTheirRatio) {
    std::mt19937_64 random(13);
    Set set = random_set(random, 40, 20);
    const auto expected = owners(set, 1009);
    for (NamedWeight& entry : set) {
        entry.weight *= 12;
    }
    EXPECT_EQ(owners(set, 1009), expected);
}

TEST(Maglev, ABackendOfWeightZeroIsAsIfAbsent) {
    Set set = equal_set(10);
    set[4].weight = 0;
    Set without = set;
    without.erase(without.begin() + 4);
    EXPECT_EQ(owners(set), owners(without));
    EXPECT_EQ(fingerprint(set), fingerprint(without));
}

TEST(Maglev, WithoutBackendsTheRingIsEmpty) {
    for (const Set& set : {Set{}, Set{{"a", 0}, {"b", 0}}}) {
        const auto ring = build_maglev_ring(members_of(set), 7);
        ASSERT_TRUE(ring.has_value());
        EXPECT_EQ(*ring, MaglevRing(7, kNoMember));
    }
}

TEST(Maglev, MoreBackendsThanSlotsLeaveSomeWithoutAny) {
    const auto counts = slots_by_name(equal_set(20), 7);
    EXPECT_EQ(counts.size(), 7U);
    EXPECT_EQ(counts.count("app-0"), 1U);
}

TEST(Maglev, TheSmallestRingsWork) {
    EXPECT_EQ(owners({{"a", 1}}, 2), (std::vector<std::string>{"a", "a"}));
    EXPECT_EQ(slots_by_name({{"a", 1}, {"b", 1}}, 3).at("a"), 2U);
}

TEST(Maglev, RefusesTwoBackendsOfOneName) {
    const auto ring = build_maglev_ring(members_of({{"app-1", 1}, {"app-2", 1}, {"app-1", 2}}), 7);
    ASSERT_FALSE(ring.has_value());
    EXPECT_NE(ring.error().message.find("\"app-1\""), std::string::npos);
}

TEST(Maglev, RefusesASizeThatIsNoPrimeOrTooLarge) {
    const Set set = equal_set(3);
    const auto members = members_of(set);
    for (const std::uint32_t size :
         {0U, 1U, 4U, 9U, 65'536U, 65'539U * 3, kMaxRingSize + 43, ~0U}) {
        EXPECT_FALSE(build_maglev_ring(members, size).has_value()) << size;
    }
    for (const std::uint32_t size : {2U, 3U, 7U, kDefaultRingSize, kLargeRingSize}) {
        EXPECT_TRUE(build_maglev_ring(members, size).has_value()) << size;
    }
}

TEST(Maglev, HoldsAsManyBackendsAsPositionsHaveNumbers) {
    Set set = equal_set(65'535);
    const auto ring = build_maglev_ring(members_of(set));
    ASSERT_TRUE(ring.has_value());
    EXPECT_EQ(std::count(ring->begin(), ring->end(), kNoMember), 0);
    set.push_back({"one more", 1});
    EXPECT_FALSE(build_maglev_ring(members_of(set)).has_value());
}

TEST(MaglevFingerprint, DependsOnTheSetAndNotOnItsOrder) {
    std::mt19937_64 random(14);
    Set set = random_set(random, 30, 10);
    const std::uint32_t expected = fingerprint(set);
    std::shuffle(set.begin(), set.end(), random);
    EXPECT_EQ(fingerprint(set), expected);
}

TEST(MaglevFingerprint, ChangesWithAnyChangeOfTheRing) {
    const Set set = equal_set(30);
    const std::uint32_t base = fingerprint(set);
    Set renamed = set;
    renamed[7].name = "app-7b";
    Set heavier = set;
    heavier[7].weight = 2;
    Set fewer = set;
    fewer.pop_back();
    EXPECT_NE(fingerprint(renamed), base);
    EXPECT_NE(fingerprint(heavier), base);
    EXPECT_NE(fingerprint(fewer), base);
    EXPECT_NE(fingerprint(set, kLargeRingSize), base);
    EXPECT_NE(fingerprint({}), fingerprint({{"app-0", 1}}));
    // Two owners that change places: the same names, other slots.
    const auto members = members_of(set);
    MaglevRing ring = *build_maglev_ring(members);
    const auto other =
        std::find_if(ring.begin(), ring.end(), [&](auto owner) { return owner != ring[0]; });
    std::iter_swap(ring.begin(), other);
    EXPECT_NE(maglev_fingerprint(members, ring), base);
}

struct Disruption {
    std::uint32_t owned = 0;  // slots of the backend that went; they have to move
    std::uint32_t moved = 0;  // slots that moved from one surviving backend to another
};

Disruption disruption(const Set& before, const Set& after, const std::string& changed) {
    const auto old_owners = owners(before);
    const auto new_owners = owners(after);
    Disruption result;
    for (std::size_t slot = 0; slot < old_owners.size(); ++slot) {
        if (old_owners[slot] == changed) {
            ++result.owned;
        } else if (old_owners[slot] != new_owners[slot]) {
            ++result.moved;
        }
    }
    return result;
}

// A slot that comes free is taken by a backend that passes by, which therefore does not take the
// slot that it took before: the hole moves on to a later turn. With r slots still free, a turn
// takes a given one with probability 1 / r, so a hole moves 1/M + ... + 1/2 + 1/1 = ln M times at
// most on average: 11.1.
TEST(Maglev, RemovingOneBackendMovesFewSlotsOfTheOthers) {
    for (const std::size_t count : {10U, 100U, 1000U}) {
        const Set set = equal_set(count);
        Disruption sum;
        for (const std::size_t removed :
             {std::size_t{0}, count / 3, count / 2, count - 2, count - 1}) {
            Set without = set;
            without.erase(without.begin() + static_cast<std::ptrdiff_t>(removed));
            const Disruption one = disruption(set, without, set[removed].name);
            sum.owned += one.owned;
            sum.moved += one.moved;
        }
        const double times = sum.moved / double{1} / sum.owned;
        std::printf("N = %zu: %.2f slots of others moved per slot freed, %.2f %% of the ring\n",
                    count,
                    times,
                    100.0 * sum.moved / 5 / kDefaultRingSize);
        EXPECT_LT(times, std::log(kDefaultRingSize)) << count;
        EXPECT_GT(sum.owned, 0U);
        // As measured (0.3 to 0.6 %): with M / N at 65 or more no removal shakes the table.
        EXPECT_LT(sum.moved / 5, kDefaultRingSize / 100) << count;
    }
}

TEST(Maglev, AWeightThatChangesByOneMovesFewSlotsOfTheOthers) {
    std::mt19937_64 random(15);
    Set set = random_set(random, 100, 50);
    set[50].weight = 20;
    Set heavier = set;
    heavier[50].weight = 21;
    const auto before = slots_by_name(set);
    const auto after = slots_by_name(heavier);
    const Disruption one = disruption(set, heavier, "app-50");
    const double gained = after.at("app-50") - before.at("app-50");
    std::printf("%.0f slots gained, %u slots of others moved\n", gained, one.moved);
    EXPECT_LT(one.moved, gained * std::log(kDefaultRingSize));
}

}  // namespace
}  // namespace fairlead
