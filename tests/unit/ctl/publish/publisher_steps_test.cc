// Changes at the stated limits: they are published in steps, and nothing of them is refused or held
// back for ever.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "tests/unit/ctl/publish/publisher_fixture.h"

namespace fairlead::publish {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::uint32_t kMostSteps = 2'000;

// As many services as there can be, each on the same two servers.
DesiredTables tables_of_every_service() {
    DesiredTables tables = make_tables(2);
    const DesiredService one = tables.services[0];
    tables.services.assign(shm::kMaxServices, one);
    for (std::uint32_t i = 0; i < shm::kMaxServices; ++i) {
        DesiredService& service = tables.services[i];
        service.name = "s" + std::to_string(i);
        service.vip = IpAddress::from_v4(Be32::from_host(0xCB00'7100U + i % 256));
        service.port = static_cast<std::uint16_t>(1'000 + i / 256);
    }
    return tables;
}

// As their checks say at the same moment in every service.
void let_second_server_die(DesiredTables& tables) {
    for (DesiredService& service : tables.services) {
        service.backends[1].ring_weight = 0;
        service.backends[1].admits_new = false;
    }
}

class PublisherSteps : public PublisherTest {
  protected:
    std::size_t services_with_owners(const DesiredTables& tables, std::size_t owners_wanted) {
        const shm::TablesReader engine = reader();
        const shm::Snapshot snapshot = engine.snapshot();
        std::size_t count = 0;
        for (const DesiredService& service : tables.services) {
            const shm::ServiceRecord* const record =
                snapshot.find(service.vip, Be16::from_host(service.port), service.protocol);
            if (record == nullptr) {
                continue;
            }
            const std::span<const std::uint16_t> ring = engine.ring(*record);
            const bool has_two = std::ranges::any_of(
                ring, [&](std::uint16_t index) { return index != ring.front(); });
            count += !ring.empty() && (has_two ? 2U : 1U) == owners_wanted ? 1U : 0U;
        }
        return count;
    }
    // To the last step, each acknowledged at once.
    std::uint32_t publish_whole(const DesiredTables& tables) {
        std::uint32_t steps = 0;
        milliseconds longest{};
        std::size_t waiting = std::numeric_limits<std::size_t>::max();
        const auto began = steady_clock::now();
        while (waiting != 0 && steps < kMostSteps) {
            const auto step_began = steady_clock::now();
            const auto published = publisher_->publish(tables);
            longest = std::max(
                longest,
                std::chrono::duration_cast<milliseconds>(steady_clock::now() - step_began));
            EXPECT_TRUE(published) << published.error().message;
            if (!published) {
                break;
            }
            EXPECT_EQ(published->why, "") << "nobody holds anything back";
            waiting = published->waiting;
            ++steps;
            if (worker_.acknowledged != Acknowledgements::kNoEngine) {
                worker_.acknowledged = published->generation;
            }
        }
        EXPECT_EQ(waiting, 0U);
        std::printf(
            "%u steps, the longest %lld ms, %lld ms in all\n",
            steps,
            static_cast<long long>(longest.count()),
            static_cast<long long>(
                std::chrono::duration_cast<milliseconds>(steady_clock::now() - began).count()));
        return steps;
    }
};

TEST_F(PublisherSteps, AServerThatDiesLeavesEveryServiceThereCanBe) {
    start();
    DesiredTables tables = tables_of_every_service();
    ASSERT_EQ(publish_whole(tables), 1U) << "nobody follows the first";
    worker_.acknowledged = publisher_->generation();
    ASSERT_EQ(services_with_owners(tables, 2), shm::kMaxServices);

    let_second_server_die(tables);
    // A worker that is late: as many rings as there are free slots, and no more.
    const std::uint64_t before = publisher_->generation();
    std::size_t waiting = shm::kMaxServices;
    std::string why;
    for (std::size_t last = 0; waiting != last;) {
        last = waiting;
        const auto published = publisher_->publish(tables);
        ASSERT_TRUE(published) << published.error().message;
        waiting = published->waiting;
        why = published->why;
    }
    EXPECT_EQ(why, "worker 7 on CPU 3 has not acknowledged the last changes");
    EXPECT_EQ(waiting, shm::kMaxServices - shm::kSpareRings);
    EXPECT_EQ(services_with_owners(tables, 1), shm::kSpareRings);

    // What needs no slot is not held back.
    tables.services[7].backends[0].is_link_lost = true;
    tables.services[7].backends[0].link.reset();
    ASSERT_TRUE(publisher_->publish(tables));
    const auto place = publisher_->placement("s7", "app-1", tables.services[7].backends[0].address);
    EXPECT_FALSE(word(to_number(place->index)).has(shm::BackendWord::kLinked));

    // A backend that goes meanwhile stays published for as long as a ring that waits names it.
    const DesiredService full = tables.services.back();
    const auto leaves = publisher_->placement(full.name, "app-2", full.backends[1].address);
    ASSERT_TRUE(leaves);
    tables.services.back().backends.pop_back();
    ASSERT_TRUE(publisher_->publish(tables));
    EXPECT_EQ(owners(full).count(to_number(leaves->index)), 1U);
    EXPECT_TRUE(word(to_number(leaves->index)).has(shm::BackendWord::kPublished));

    worker_.acknowledged = publisher_->generation();
    EXPECT_GT(worker_.acknowledged, before);
    EXPECT_GT(publish_whole(tables), 10U);
    EXPECT_EQ(services_with_owners(tables, 1), shm::kMaxServices);
    publish_whole(tables);
    EXPECT_FALSE(word(to_number(leaves->index)).has(shm::BackendWord::kPublished));

    // The next daemon finds every ring unchanged, a slice a step, and publishes none of them anew.
    // A backend that its file has lost stays for as long as a ring that was not looked at may name
    // it.
    const std::uint32_t rings_before =
        reader().snapshot().find(full.vip, Be16::from_host(full.port), full.protocol)->ring;
    start();
    const auto known = publisher_->placement("s3", "app-1", tables.services[3].backends[0].address);
    tables.services[3].backends[0] = make_backend(9);
    auto first = publisher_->publish(tables);
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_FALSE(first->is_whole()) << "no slot is free until the new generation is acknowledged";
    worker_.acknowledged = first->generation;
    first = publisher_->publish(tables);
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_TRUE(word(to_number(known->index)).has(shm::BackendWord::kPublished));
    worker_.acknowledged = first->generation;
    publish_whole(tables);
    EXPECT_EQ(reader().snapshot().find(full.vip, Be16::from_host(full.port), full.protocol)->ring,
              rings_before);
    EXPECT_EQ(owners(tables.services[3]).count(to_number(known->index)), 0U);

    // Without an engine nobody is waited for, or blamed.
    worker_.acknowledged = Acknowledgements::kNoEngine;
    constexpr std::size_t kComeBack = 3 * shm::kSpareRings;
    const DesiredTables all = tables_of_every_service();
    std::copy_n(all.services.begin(), kComeBack, tables.services.begin());
    publish_whole(tables);
    EXPECT_EQ(services_with_owners(tables, 2), kComeBack);
}

TEST_F(PublisherSteps, WhereEveryIndexIsInUseAReplacedBackendComesWhenTheOldOneHasLeft) {
    start();
    DesiredTables tables = make_tables(0);
    for (std::uint32_t i = 0; i < 4; ++i) {
        DesiredService& service =
            i == 0 ? tables.services[0] : tables.services.emplace_back(tables.services[0]);
        service.name = "s" + std::to_string(i);
        service.port = static_cast<std::uint16_t>(80 + i);
        service.backends.clear();
        for (std::uint32_t number = 0; number < shm::kMaxBackends / 4; ++number) {
            service.backends.push_back(make_backend(static_cast<int>(number), number < 10 ? 1 : 0));
        }
    }
    publish_whole(tables);
    worker_.acknowledged = publisher_->generation();
    DesiredBackend& replaced = tables.services[2].backends[5];
    replaced.address = *IpAddress::parse("198.51.100.7");
    const auto published = publisher_->publish(tables);
    ASSERT_TRUE(published) << published.error().message;
    EXPECT_EQ(published->waiting, 1U);
    EXPECT_FALSE(publisher_->placement("s2", replaced.name, replaced.address));
    worker_.acknowledged = published->generation;
    EXPECT_LE(publish_whole(tables), 4U);
    const auto place = publisher_->placement("s2", replaced.name, replaced.address);
    ASSERT_TRUE(place);
    EXPECT_EQ(owners(tables.services[2]).count(to_number(place->index)), 1U);
}

TEST_F(PublisherSteps, ChangesUnderTheNextDaemonTakeTheSlotsThatHaveMemoryAlready) {
    DesiredTables tables = make_tables(2);
    start();
    publish_whole(tables);
    start();
    worker_.acknowledged = publisher_->generation();
    const auto kib_of_file = [this] {
        struct stat found {};
        EXPECT_EQ(::stat((directory_.path() + "/tables").c_str(), &found), 0);
        return found.st_blocks / 2;
    };
    const auto before = kib_of_file();
    for (std::uint32_t change = 0; change < 500; ++change) {
        tables.services[0].backends[0].ring_weight = 1 + change % 7;
        const auto published = publisher_->publish(tables);
        ASSERT_TRUE(published) << published.error().message;
        worker_.acknowledged = published->generation - change % 2;  // now and then it is late
    }
    EXPECT_LE(kib_of_file(), before + 512) << "four rings";
}

}  // namespace
}  // namespace fairlead::publish
