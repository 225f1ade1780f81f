// Readers under constant publishing, over one mapping so that ThreadSanitizer sees both sides; and
// a publisher killed at random moments.
#include <atomic>
#include <chrono>
#include <csignal>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "ctl/publish/publisher_state.h"
#include "dp/shm/segment.h"
#include "dp/shm/snapshot.h"
#include "tests/unit/ctl/publish/publish_fixture.h"

namespace fairlead::publish {
namespace {

constexpr int kReaders = 2;

// Workers that acknowledge through memory, as they do in `telemetry`.
class SharedWorkers final : public Acknowledgements {
  public:
    std::uint64_t lowest() override {
        std::uint64_t lowest = UINT64_MAX;
        for (const auto& acknowledged : acknowledged_) {
            lowest = std::min(lowest, acknowledged.load(std::memory_order_acquire));
        }
        return lowest;
    }
    std::string slowest() override { return "a reader"; }
    void acknowledge(int reader, std::uint64_t generation) {
        acknowledged_[static_cast<std::size_t>(reader)].store(generation,
                                                              std::memory_order_release);
    }

  private:
    std::array<std::atomic<std::uint64_t>, kReaders> acknowledged_{};
};

// Beside portal a service of a range of ports, whose end and place among others change.
DesiredTables some_tables(std::mt19937& random) {
    DesiredTables tables = make_tables(1 + static_cast<int>(random() % 5));
    for (const std::uint16_t first : {std::uint16_t{500}, std::uint16_t{100}}) {
        if (random() % 3 != 0) {
            DesiredService range = make_tables(1).services[0];
            range.name = "range-" + std::to_string(first);
            range.port = first;
            range.last_port = static_cast<std::uint16_t>(first + 1 + random() % 300);
            tables.services.push_back(range);
        }
    }
    return tables;
}

// What a snapshot promises: every ring entry names a published backend of the ring's own service,
// and every range is found by its ends. Returns the number of backends that own a slot; -1 where
// the promise is broken.
int check_snapshot(const shm::TablesReader& tables, const shm::Snapshot& snapshot) {
    std::set<std::uint16_t> owners;
    std::vector<const shm::ServiceRecord*> services;
    for (std::uint32_t bucket = 0; bucket <= snapshot.bucket_mask; ++bucket) {
        const shm::ServiceRecord& service = snapshot.buckets[bucket];
        if (service.protocol != shm::kEmptyBucket && service.protocol != shm::kVipMark) {
            services.push_back(&service);
        }
    }
    for (std::uint32_t i = 0; i < snapshot.range_count; ++i) {
        const shm::ServiceRecord& range = snapshot.ranges[i];
        services.push_back(&range);
        for (const Be16 port : {range.port, range.last_port}) {
            const auto* const found = snapshot.find_service(range.vip, port, range.protocol);
            const bool is_exact = found != nullptr && found->last_port == Be16{};
            if (found != &range && !is_exact) {
                return -1;
            }
        }
    }
    for (const shm::ServiceRecord* const one : services) {
        const shm::ServiceRecord& service = *one;
        for (const std::uint16_t index : tables.ring(service)) {
            const shm::BackendRecord* const backend = tables.backend(BackendIndex{index});
            // Acquire: pairs with the publisher's release of the word, after the record's fields.
            if (backend == nullptr ||
                !shm::BackendWord(backend->word.load(std::memory_order_acquire))
                     .has(shm::BackendWord::kPublished) ||
                backend->service != service.id) {
                return -1;
            }
            owners.insert(index);
        }
    }
    return static_cast<int>(owners.size());
}

TEST(PublisherConcurrency, ReadersSeeWholeSnapshotsUnderConstantPublishing) {
    const TemporaryDirectory directory;
    SharedWorkers workers;
    NoCounters counters;
    Result<TablesFile> file = TablesFile::open(directory.path(), "test", [] { return false; });
    ASSERT_TRUE(file);
    const shm::TablesReader tables = *shm::TablesReader::map(file->bytes());
    PublisherState publisher(std::move(file).value(), workers, counters);
    publisher.recover();
    ASSERT_TRUE(publisher.publish(make_tables(3), Shortage::kWait));

    std::atomic<bool> stop{false};
    std::atomic<int> broken{0};
    std::atomic<std::uint64_t> read{0};
    std::vector<std::thread> readers;
    readers.reserve(kReaders);
    for (int i = 0; i < kReaders; ++i) {
        readers.emplace_back([&, i] {
            while (!stop.load(std::memory_order_relaxed)) {
                workers.acknowledge(i, tables.generation());
                broken += check_snapshot(tables, tables.snapshot()) < 0 ? 1 : 0;
                ++read;
            }
        });
    }
    std::mt19937 random(7);
    int published = 0;
    int refused = 0;
    for (int round = 0; round < 400 || (published < 50 && round < 100'000); ++round) {
        DesiredTables next = some_tables(random);
        for (DesiredBackend& backend : next.services[0].backends) {
            backend.ring_weight = static_cast<std::uint32_t>(1 + random() % 3);
        }
        const auto generation = publisher.publish(next, Shortage::kWait);
        published += generation ? 1 : 0;
        refused += generation ? 0 : 1;
        if (!generation) {
            std::this_thread::yield();
        }
    }
    stop = true;
    for (std::thread& reader : readers) {
        reader.join();
    }
    EXPECT_EQ(broken, 0);
    EXPECT_GE(published, 50) << refused << " refused";
    EXPECT_GT(read, 0U);
}

// A daemon that publishes as fast as it can, until it is killed.
[[noreturn]] void publish_for_ever(const std::string& directory) {
    OneWorker worker;
    NoCounters counters;
    Result<std::unique_ptr<Publisher>> opened =
        Publisher::open(directory, "test", worker, counters);
    if (!opened) {
        _exit(2);
    }
    std::mt19937 random(static_cast<std::uint32_t>(getpid()));
    while (true) {
        DesiredTables next = some_tables(random);
        next.services[0].backends[0].ring_weight = static_cast<std::uint32_t>(1 + random() % 4);
        if (!(*opened)->publish(next)) {
            _exit(3);
        }
    }
}

TEST(PublisherConcurrency, ADaemonKilledAtAnyMomentLeavesAWholeSnapshot) {
    const TemporaryDirectory directory;
    std::mt19937 random(11);
    std::uint64_t last_generation = 0;
    for (int round = 0; round < 50; ++round) {
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            publish_for_ever(directory.path());
        }
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        std::uint64_t generation = 0;
        // Until it has published a random number of times, so that the kill falls anywhere in the
        // work.
        while (generation < last_generation + 2 + random() % 20 &&
               std::chrono::steady_clock::now() < deadline) {
            if (const auto segment = shm::Segment::open_read_only(shm::kTables, directory.path())) {
                generation = shm::TablesReader::map(segment->bytes())->generation();
            }
        }
        kill(child, SIGKILL);
        int status = 0;
        waitpid(child, &status, 0);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the publisher gave up by itself, status " << status;

        const auto segment = shm::Segment::open_read_only(shm::kTables, directory.path());
        ASSERT_TRUE(segment) << segment.error().message;
        const shm::TablesReader tables = *shm::TablesReader::map(segment->bytes());
        EXPECT_GT(tables.generation(), last_generation);
        EXPECT_GT(check_snapshot(tables, tables.snapshot()), 0) << "round " << round;
        last_generation = tables.generation();
    }
}

}  // namespace
}  // namespace fairlead::publish
