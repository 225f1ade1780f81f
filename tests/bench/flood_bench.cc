// What a flood of random sources costs: a worker whose table is full, with 1M established flows and
// as many unproven ones as it takes, forwards established traffic alone, then mixed with the flood,
// then the flood alone, in turns within one run.
//
//     tests/bench/flood_bench [--benchmark_filter=...]
//
// alone, mixed, flood: TSC cycles a packet, median over bursts of 32 packets. `throughput` is
// alone / mixed: how many packets a second, of both kinds together, the worker still takes.
// `share` is how many of a hundred packets are the flood's. Each turn is long enough that the
// caches hold what that traffic leaves in them; its first quarter is not counted.
#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "tests/bench/bench_worker.h"

namespace fairlead::bench {
namespace {

constexpr std::uint32_t kEstablished = 1U << 20U;
constexpr std::size_t kTurnBursts = 1'024;
constexpr std::size_t kCountedFrom = kTurnBursts / 4;

// More is another program's time.
constexpr std::uint64_t kLongestBurst = 1'000'000;

enum class Flood : std::uint8_t {
    kSyn,
    kAck,
    kUdp,       // one datagram a source
    kUdpTwice,  // two, which prove a flow
};

// What may look like the tables of other workers: nothing in them is ours.
class OtherTables {
  public:
    explicit OtherTables(std::size_t count) {
        constexpr std::size_t kBucketsEach = 1U << 15U;
        std::mt19937_64 random(3);
        for (std::size_t i = 0; i < count; ++i) {
            memory_.push_back(std::make_unique<Buckets>(kBucketsEach));
            for (shm::FlowBucket& bucket : memory_.back()->span()) {
                bucket.entries[0].store(random() | 0x400U, std::memory_order_relaxed);
            }
            views_.emplace_back(memory_.back()->span());
        }
    }
    [[nodiscard]] std::span<const FlowTableView> views() const { return views_; }

  private:
    std::vector<std::unique_ptr<Buckets>> memory_;
    std::vector<FlowTableView> views_;
};

// A worker under attack.
class Target {
  public:
    Target() : worker_({kEstablished, shm::ForwardingMode::kL2, Family::kV4}) {
        worker_.learn(kEstablished);
    }

    void set_friend(std::size_t slot) {
        worker_.set_packet(slot, static_cast<std::uint32_t>(random_() % kEstablished));
    }
    void set_enemy(std::size_t slot, Flood flood) {
        switch (flood) {
            case Flood::kSyn:
                worker_.set_stranger(slot, random_(), kTcpSyn);
                return;
            case Flood::kAck:
                worker_.set_stranger(slot, random_(), kTcpAck);
                return;
            case Flood::kUdp:
                worker_.set_strange_datagram(slot, random_());
                return;
            case Flood::kUdpTwice:
                last_ = (++sent_ & 1U) != 0 ? random_() : last_;
                worker_.set_strange_datagram(slot, last_);
                return;
        }
    }
    // Bursts with this share of the flood; their cycles are appended to `bursts`.
    void run_turn(Flood flood, std::uint64_t share, std::vector<std::uint32_t>& bursts) {
        for (std::size_t turn = 0; turn < kTurnBursts; ++turn) {
            for (std::size_t slot = 0; slot < kBurstPackets; ++slot) {
                if (random_() % 100 < share) {
                    set_enemy(slot, flood);
                } else {
                    set_friend(slot);
                }
            }
            // The clock of a worker that does nothing but this, whatever else the machine does.
            worker_.context.now_ms = static_cast<std::uint64_t>(static_cast<double>(spent_) *
                                                                1'000 / cycles_per_second());
            const std::uint64_t start = cycles();
            forward_burst(worker_.context, worker_.packets, worker_.verdicts);
            const std::uint64_t took = cycles() - start;
            spent_ += std::min<std::uint64_t>(took, kLongestBurst);
            worker_.next_burst();
            if (turn >= kCountedFrom) {
                bursts.push_back(static_cast<std::uint32_t>(took));
            }
        }
    }
    // How many of the established flows the table still has.
    [[nodiscard]] std::uint64_t established_left() {
        const std::uint64_t before = worker_.counters().flow_hits.get();
        for (std::uint32_t flow = 0; flow < kEstablished; flow += kBurstPackets) {
            for (std::uint32_t i = 0; i < kBurstPackets; ++i) {
                worker_.set_packet(i, flow + i);
            }
            forward_burst(worker_.context, worker_.packets, worker_.verdicts);
        }
        return worker_.counters().flow_hits.get() - before;
    }
    [[nodiscard]] Worker& worker() { return worker_; }

  private:
    Worker worker_;
    std::mt19937_64 random_{11};
    std::uint64_t last_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t spent_ = 0;  // cycles in forward_burst()
};

double median_per_packet(std::vector<std::uint32_t>& bursts) {
    const auto middle = bursts.begin() + static_cast<std::ptrdiff_t>(bursts.size() / 2);
    std::nth_element(bursts.begin(), middle, bursts.end());
    return static_cast<double>(*middle) / kBurstPackets;
}

// Argument 0: the flood's share in percent; 1: other workers.
void flood(benchmark::State& state, Flood kind) {
    const auto share = static_cast<std::uint64_t>(state.range(0));
    const OtherTables others(static_cast<std::size_t>(state.range(1)));
    Target target;
    std::vector<std::uint32_t> filling;
    while (filling.size() < 64 * kTurnBursts) {  // 2M packets: whatever the flood can fill is full
        target.run_turn(kind, 100, filling);
    }
    target.worker().context.other_flows = others.views();
    // The burst that the searches are granted is spent; what is measured is the rate that lasts.
    ForwardContext& context = target.worker().context;
    while (context.search_limit.take(others.views().size() + 1, context.now_ms)) {
    }
    std::vector<std::uint32_t> alone;
    std::vector<std::uint32_t> mixed;
    std::vector<std::uint32_t> flooded;
    const auto count = [&target](shm::Counter shm::WorkerBlock::*counter) {
        return static_cast<double>((target.worker().counters().*counter).get());
    };
    const double failures = count(&shm::WorkerBlock::flow_insert_failures);
    const double misses = count(&shm::WorkerBlock::flow_misses);
    for ([[maybe_unused]] auto iteration : state) {
        target.run_turn(kind, 0, alone);
        target.run_turn(kind, share, mixed);
        target.run_turn(kind, 100, flooded);
    }
    const double alone_cycles = median_per_packet(alone);
    const double mixed_cycles = median_per_packet(mixed);
    state.counters["alone"] = alone_cycles;
    state.counters["mixed"] = mixed_cycles;
    state.counters["flood"] = median_per_packet(flooded);
    state.counters["throughput"] = alone_cycles / mixed_cycles;
    state.counters["untracked"] = (count(&shm::WorkerBlock::flow_insert_failures) - failures) /
                                  (count(&shm::WorkerBlock::flow_misses) - misses);
    target.worker().context.other_flows = {};
    if (target.established_left() + kEstablished / 1'000'000 < kEstablished) {
        state.SkipWithError("an established flow has lost its entry");
    }
}

void shares(benchmark::internal::Benchmark* bench) {
    bench->ArgNames({"share", "others"})
        ->ArgsProduct({{50, 90}, {0}})
        ->Iterations(24)
        ->Unit(benchmark::kMillisecond);
}
void shares_and_workers(benchmark::internal::Benchmark* bench) {
    bench->ArgNames({"share", "others"})
        ->ArgsProduct({{50}, {0, 1, 7, 63}})
        ->Iterations(24)
        ->Unit(benchmark::kMillisecond);
}

BENCHMARK_CAPTURE(flood, syn, Flood::kSyn)->Apply(shares);
BENCHMARK_CAPTURE(flood, udp, Flood::kUdp)->Apply(shares);
BENCHMARK_CAPTURE(flood, udp_twice, Flood::kUdpTwice)->Apply(shares);
BENCHMARK_CAPTURE(flood, ack, Flood::kAck)->Apply(shares_and_workers);

}  // namespace
}  // namespace fairlead::bench

BENCHMARK_MAIN();
