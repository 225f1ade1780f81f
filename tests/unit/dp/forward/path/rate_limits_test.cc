#include "dp/forward/path/rate_limits.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace fairlead {
namespace {

constexpr ServiceId kService{3};

// The engine's buckets, and workers with credits of their own.
class Workers {
  public:
    explicit Workers(std::uint32_t count, std::size_t sets = 16)
        : budgets_(8), credits_(count, std::vector<PacketCredit>(8)), sources_(sets) {
        for (auto& credits : credits_) {
            workers_.emplace_back(budgets_, credits, sources_, count);
        }
    }
    RateLimits& operator[](std::size_t worker) { return workers_[worker]; }

    bool take_flow(std::uint64_t source, std::uint32_t rate, std::uint64_t now_ms) {
        bool forgot = false;
        const bool taken = workers_[0].take_new_flow(source, rate, now_ms, forgot);
        forgotten += forgot ? 1 : 0;
        return taken;
    }
    // How many of `wanted` flows it may begin at once.
    std::uint32_t take_flows(std::uint64_t source,
                             std::uint32_t rate,
                             std::uint64_t now_ms,
                             std::uint32_t wanted) {
        std::uint32_t taken = 0;
        for (std::uint32_t i = 0; i < wanted; ++i) {
            taken += take_flow(source, rate, now_ms) ? 1U : 0U;
        }
        return taken;
    }
    int forgotten = 0;

  private:
    std::vector<PacketBudget> budgets_;
    std::vector<std::vector<PacketCredit>> credits_;
    std::vector<SourceSet> sources_;
    std::vector<RateLimits> workers_;
};

// What the workers forward of `offered` packets a millisecond each, over these milliseconds.
std::uint64_t forwarded(Workers& workers,
                        std::uint32_t count,
                        std::uint32_t rate,
                        std::uint64_t first_ms,
                        std::uint64_t last_ms,
                        int offered) {
    std::uint64_t sum = 0;
    for (std::uint64_t now = first_ms; now < last_ms; ++now) {
        for (int i = 0; i < offered; ++i) {
            for (std::uint32_t worker = 0; worker < count; ++worker) {
                sum += workers[worker].take_packet(kService, rate, now) ? 1U : 0U;
            }
        }
    }
    return sum;
}

TEST(PacketLimit, HoldsTheRateOverAllWorkersTogether) {
    for (const std::uint32_t rate : {1U, 3U, 10U, 999U, 1'000U, 12'345U, 200'000U}) {
        for (const std::uint32_t count : {1U, 2U, 5U}) {
            Workers workers(count);
            const int offered = static_cast<int>(rate / 1'000 * 2 + 3);
            const std::uint64_t burst = std::max<std::uint64_t>(rate / 10, 1);
            const std::uint64_t sum = forwarded(workers, count, rate, 7, 10'007, offered);
            EXPECT_GE(sum, std::uint64_t{rate} * 10) << rate << " " << count;
            EXPECT_LE(sum, std::uint64_t{rate} * 10 + burst + burst / 4 + 1)
                << rate << " " << count;
        }
    }
}

TEST(PacketLimit, LetsOneWorkerHaveAllOfIt) {
    Workers workers(64);
    const std::uint64_t sum = forwarded(workers, 1, 50'000, 0, 2'000, 200);
    EXPECT_GE(sum, 100'000U);
    EXPECT_LE(sum, 100'000U + 5'000 + 1'250);
}

TEST(PacketLimit, DropsNothingBelowTheRate) {
    Workers workers(2);
    EXPECT_EQ(forwarded(workers, 2, 10'000, 0, 3'000, 4), 24'000U);
}

TEST(PacketLimit, TheBurstIsATenthOfASecond) {
    Workers workers(1);
    EXPECT_EQ(forwarded(workers, 1, 10'000, 5'000, 5'001, 100'000), 1'000U);
    EXPECT_EQ(forwarded(workers, 1, 10'000, 5'001, 5'002, 100'000), 10U);
    EXPECT_EQ(forwarded(workers, 1, 10'000, 9'000, 9'001, 100'000), 1'000U);
}

TEST(PacketLimit, AnotherRateCountsAtOnce) {
    Workers workers(1);
    (void)forwarded(workers, 1, 1'000'000, 0, 1'000, 2'000);
    const std::uint64_t lower = forwarded(workers, 1, 100, 1'000, 3'000, 10);
    EXPECT_GE(lower, 190U);
    EXPECT_LE(lower, 210U + kMaxPacketBatch);  // what it had taken already
    const std::uint64_t higher = forwarded(workers, 1, 100'000, 3'000, 4'000, 1'000);
    EXPECT_GE(higher, 100'000U);
}

TEST(PacketLimit, ServicesDoNotShare) {
    Workers workers(1);
    EXPECT_TRUE(workers[0].take_packet(kService, 1, 100));
    EXPECT_FALSE(workers[0].take_packet(kService, 1, 100));
    EXPECT_TRUE(workers[0].take_packet(ServiceId{4}, 1, 100));
    // A number that the tables make up is nobody's.
    EXPECT_TRUE(workers[0].take_packet(ServiceId{8}, 1, 100));
    EXPECT_TRUE(workers[0].take_packet(kNoServiceId, 1, 100));
}

TEST(PacketLimit, AClockThatJumpsBackCostsOneBurst) {
    Workers workers(1);
    (void)forwarded(workers, 1, 1'000, 1'000'000, 1'000'100, 100);
    const std::uint64_t sum = forwarded(workers, 1, 1'000, 5, 1'005, 100);
    EXPECT_GE(sum, 899U);
}

// Each worker reads the clock for itself, and one may have been held up.
TEST(PacketLimit, AWorkerWhoseClockIsBehindGivesNothingAway) {
    for (const std::uint64_t behind : {1U, 50U, 400U}) {
        Workers workers(2);
        std::uint64_t sum = 0;
        for (std::uint64_t now = 1'000; now < 6'000; ++now) {
            for (int i = 0; i < 20; ++i) {
                sum += workers[0].take_packet(kService, 10'000, now) ? 1U : 0U;
                sum += workers[1].take_packet(kService, 10'000, now - behind) ? 1U : 0U;
            }
        }
        EXPECT_GE(sum, 50'000U) << behind;
        EXPECT_LE(sum, 51'300U) << behind;
    }
}

TEST(PacketLimit, WithoutBucketsNothingIsLimited) {
    RateLimits none;
    bool forgot = false;
    for (int i = 0; i < 100; ++i) {
        EXPECT_TRUE(none.take_packet(kService, 1, 0));
        EXPECT_TRUE(none.take_new_flow(1, 1, 0, forgot));
    }
}

// Threads of their own; ThreadSanitizer looks on.
TEST(RateLimits, AreExactWhileWorkersTakeAtTheSameTime) {
    constexpr std::uint32_t kThreads = 4;
    constexpr std::uint32_t kRate = 100'000;
    Workers workers(kThreads);
    std::array<std::uint64_t, kThreads> packets{};
    std::array<std::uint64_t, kThreads> flows{};
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
            bool forgot = false;
            for (std::uint64_t now = 1'000; now < 1'200; ++now) {
                for (int offered = 0; offered < 500; ++offered) {
                    packets[i] += workers[i].take_packet(kService, kRate, now) ? 1U : 0U;
                }
                for (int offered = 0; offered < 50; ++offered) {
                    flows[i] += workers[i].take_new_flow(77, 1'000, now, forgot) ? 1U : 0U;
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    const auto sum = [](const auto& of) {
        return std::accumulate(of.begin(), of.end(), 0ULL);
    };
    // A fifth of a second and the burst; each worker may keep a batch.
    EXPECT_LE(sum(packets), kRate / 5 + kRate / 10 + kThreads * kMaxPacketBatch);
    EXPECT_GE(sum(packets), kRate / 10);
    EXPECT_LE(sum(flows), 1'200U + kThreads)
        << "a word that threads raced to make counts once each";
    EXPECT_GE(sum(flows), 1'000U);
}

TEST(SourceLimit, ASecondOfItsRateAtOnceAndThenTheRate) {
    for (const std::uint32_t rate : {1U, 2U, 7U, 100U, 1'000U, 50'000U}) {
        Workers workers(1);
        const std::uint64_t now = 12'345'678;
        EXPECT_NEAR(workers.take_flows(77, rate, now, 2 * rate), rate, rate * 0.005);
        std::uint32_t more = 0;
        for (std::uint64_t ms = 1; ms <= 3'000; ++ms) {
            more += workers.take_flows(77, rate, now + ms, rate / 500 + 2);
        }
        EXPECT_NEAR(more, 3 * rate, std::max(1.0, rate * 0.02)) << rate;
    }
}

TEST(SourceLimit, OneSourceDoesNotHarmAnother) {
    Workers workers(1);
    std::mt19937_64 random(3);
    std::vector<std::uint64_t> others(64);
    for (auto& other : others) {
        other = random();
    }
    EXPECT_EQ(workers.take_flows(random(), 10, 500, 1'000), 10U);
    for (const std::uint64_t other : others) {
        EXPECT_EQ(workers.take_flows(other, 10, 500, 5), 5U);
    }
}

TEST(SourceLimit, IsSharedByTheWorkers) {
    Workers workers(4);
    std::uint32_t taken = 0;
    for (std::size_t i = 0; i < 100; ++i) {
        bool forgot = false;
        taken += workers[i % 4].take_new_flow(99, 10, 1'000, forgot) ? 1U : 0U;
    }
    EXPECT_EQ(taken, 10U);
}

// Random sources push out those that owe little: the one that is over its limit stays over it.
TEST(SourceLimit, AFloodOfRandomSourcesDoesNotFreeTheOneThatIsOver) {
    Workers workers(1, 4);  // 32 sources
    const std::uint64_t attacker = 0x1234'5678'9ABC'DEF0;
    EXPECT_EQ(workers.take_flows(attacker, 100, 1'000, 300), 100U);
    std::mt19937_64 random(4);
    std::uint32_t extra = 0;
    std::uint32_t others = 0;
    for (int i = 0; i < 10'000; ++i) {
        others += workers.take_flow(random(), 100, 1'000) ? 1U : 0U;
        extra += workers.take_flow(attacker, 100, 1'000) ? 1U : 0U;
    }
    EXPECT_EQ(extra, 0U);
    EXPECT_EQ(others, 10'000U) << "nobody is refused for want of room";
    EXPECT_GT(workers.forgotten, 9'000);
    // A moment later those with one flow owe nothing, and nobody is forgotten early.
    workers.forgotten = 0;
    for (int i = 0; i < 4; ++i) {
        (void)workers.take_flow(random(), 100, 1'011);
    }
    EXPECT_EQ(workers.forgotten, 0);
}

TEST(SourceLimit, AWorkerWhoseClockIsBehindGivesNothingAway) {
    for (const std::uint64_t behind : {1U, 50U, 400U}) {
        Workers workers(1);
        std::uint32_t taken = 0;
        for (std::uint64_t now = 1'000; now < 6'000; ++now) {
            taken += workers.take_flows(5, 100, now, 3);
            taken += workers.take_flows(5, 100, now - behind, 3);
        }
        EXPECT_GE(taken, 599U) << behind;
        EXPECT_LE(taken, 602U) << behind;
    }
}

TEST(SourceLimit, TimeMayWrapAndJump) {
    Workers workers(1);
    const std::uint64_t wrap_ms = (std::uint64_t{1} << 40U) >> 14U;  // the word's time begins anew
    EXPECT_EQ(workers.take_flows(5, 10, wrap_ms - 1, 100), 10U);
    EXPECT_EQ(workers.take_flows(5, 10, wrap_ms + 99, 100), 1U);
    EXPECT_EQ(workers.take_flows(5, 10, wrap_ms + 1'199, 100), 10U);
    EXPECT_GE(workers.take_flows(5, 10, 7'000, 100), 10U) << "back by hours";
}

}  // namespace
}  // namespace fairlead
