// What a packet costs in dp/forward, in memory: 64-byte frames, bursts of 32, beside two baselines
// in the same run: the same stages on DPDK's rte_hash, and the floor (read the header, write the
// MAC addresses).
//
//     tests/bench/pipeline_bench [--benchmark_filter=...]
//
// Each burst is made of flows drawn at random out of N, outside the measured time; frames stand in
// 128 buffers, as a NIC's ring would have them in cache. Cycles are the TSC's. The median over
// bursts is what to read: on a shared machine the mean holds other programs' time.
#include "dp/forward/pipeline.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "dp/forward/path/classify.h"
#include "dp/forward/path/count.h"
#include "dp/forward/path/rewrite.h"
#include "dp/forward/path/select.h"
#include "dp/net/parse.h"
#include "tests/bench/bench_worker.h"
#include "tests/bench/rte_hash_flows.h"
#include "tests/support/packets.h"

namespace fairlead::bench {
namespace {

// A worker that knows its flows; the last one is kept, as large ones take seconds to fill.
Worker& worker_with(const Setup& setup) {
    static std::pair<Setup, std::unique_ptr<Worker>> last;
    if (last.second == nullptr || last.first != setup) {
        last.second.reset();
        last = {setup, std::make_unique<Worker>(setup)};
        last.second->learn(setup.flows);
    }
    return *last.second;
}

// ---- measuring

// Runs bursts of random flows: `make(slot, flow)` sets a packet, `run()` is what is measured.
template <typename Make, typename Run>
void measure(benchmark::State& state, std::size_t flow_count, Make&& make, Run&& run) {
    std::mt19937_64 random(7);
    std::vector<std::uint32_t> bursts;
    bursts.reserve(1U << 20U);
    for ([[maybe_unused]] auto iteration : state) {
        for (std::size_t slot = 0; slot < kBurstPackets; ++slot) {
            make(slot, static_cast<std::uint32_t>(random() % flow_count));
        }
        const std::uint64_t start = cycles();
        run();
        const std::uint64_t took = cycles() - start;
        bursts.push_back(static_cast<std::uint32_t>(took));
        state.SetIterationTime(static_cast<double>(took) / cycles_per_second());
    }
    const auto middle = bursts.begin() + static_cast<std::ptrdiff_t>(bursts.size() / 2);
    std::nth_element(bursts.begin(), middle, bursts.end());
    const double median = static_cast<double>(*middle) / kBurstPackets;
    state.counters["cycles/packet"] = median;
    state.counters["ns/packet"] = median / cycles_per_second() * 1e9;
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurstPackets));
}

void check_all_sent(benchmark::State& state, const Worker& worker) {
    for (const Verdict& verdict : worker.verdicts) {
        if (verdict.action != Action::kTransmit) {
            state.SkipWithError("a packet was not forwarded");
        }
    }
}

// ---- what is measured

void fairlead_pipeline(benchmark::State& state, shm::ForwardingMode mode, Family family) {
    const auto flow_count = static_cast<std::size_t>(state.range(0));
    Worker& worker = worker_with({flow_count, mode, family});
    if (worker.flows().entry_count() + 1 + flow_count / 1'000'000 < flow_count) {
        state.SkipWithError("flows are missing in the table");
    }
    measure(
        state,
        flow_count,
        [&worker](std::size_t slot, std::uint32_t flow) { worker.set_packet(slot, flow); },
        [&worker] {
            forward_burst(worker.context, worker.packets, worker.verdicts);
            worker.next_burst();
        });
    check_all_sent(state, worker);
}

// Tracked flows of a service of a range of ports, or of any port.
void fairlead_ports(benchmark::State& state, Ports ports) {
    Worker& worker = worker_with({1, shm::ForwardingMode::kL2, Family::kV4, ports});
    measure(
        state,
        1,
        [&worker](std::size_t slot, std::uint32_t flow) { worker.set_packet(slot, flow); },
        [&worker] {
            forward_burst(worker.context, worker.packets, worker.verdicts);
            worker.next_burst();
        });
    check_all_sent(state, worker);
}

// Packets that the table does not know and that leave nothing in it: lookup, miss, ring.
void fairlead_miss(benchmark::State& state) {
    const auto flow_count = static_cast<std::size_t>(state.range(0));
    Worker& worker = worker_with({flow_count, shm::ForwardingMode::kL2, Family::kV4});
    constexpr std::uint32_t kUnknown = 1U << 23U;
    measure(
        state,
        1U << 22U,
        [&worker](std::size_t slot, std::uint32_t flow) {
            worker.set_packet(slot, (flow | kUnknown) ^ 0x40'0000U, kTcpRst);
        },
        [&worker] {
            forward_burst(worker.context, worker.packets, worker.verdicts);
            worker.next_burst();
        });
    check_all_sent(state, worker);
}

// SYNs of new flows into a table for 1M: insertion, and eviction once the unproven quota is full.
void fairlead_syn(benchmark::State& state) {
    Worker worker({1, shm::ForwardingMode::kL2, Family::kV4});
    std::uint32_t next = 0;
    measure(
        state,
        1,
        [&](std::size_t slot, std::uint32_t) {
            next = (next + 0x9E3779U) & 0xFF'FFFFU;
            worker.set_packet(slot, next, kTcpSyn);
        },
        [&worker] {
            forward_burst(worker.context, worker.packets, worker.verdicts);
            worker.next_burst();
        });
    check_all_sent(state, worker);
}

// The same stages around rte_hash, with the same 32-bit signature, looked up a burst at a time.
void rte_hash_pipeline(benchmark::State& state) {
    const auto flow_count = static_cast<std::size_t>(state.range(0));
    Worker worker({1, shm::ForwardingMode::kL2, Family::kV4});
    RteHashFlows table(std::max<std::size_t>(flow_count, 1U << 20U));
    std::array<PacketFacts, kBurstPackets> facts;
    std::array<Selection, kBurstPackets> selections;
    std::array<FiveTuple, kBurstPackets> keys;
    std::array<std::uint32_t, kBurstPackets> hashes{};
    std::array<std::uint64_t, kBurstPackets> values{};
    const auto read_keys = [&] {
        facts.fill({});
        classify_burst(worker.context.snapshot,
                       *worker.context.flows,
                       Ingress{OwnMac(worker.context.snapshot, worker.context.receiving_port)},
                       worker.packets,
                       facts,
                       worker.verdicts);
        for (std::size_t i = 0; i < kBurstPackets; ++i) {
            const std::uint8_t* const ip = worker.packets[i].data + kIp;
            std::array<std::uint8_t, sizeof(FiveTuple)> key{};
            std::memcpy(key.data(), ip + 12, 12);
            key[12] = ip[9];
            keys[i] = std::bit_cast<FiveTuple>(key);
            hashes[i] = flow_signature(facts[i].hash);
        }
    };
    for (std::uint32_t flow = 0; flow < flow_count; ++flow) {
        worker.set_packet(0, flow);
        if (flow == 0) {
            for (std::size_t i = 1; i < kBurstPackets; ++i) {
                worker.set_packet(i, 0);
            }
        }
        read_keys();
        if (!table.insert(keys[0], hashes[0], flow % kBackends)) {
            state.SkipWithError("rte_hash is full");
            return;
        }
    }
    measure(
        state,
        flow_count,
        [&worker](std::size_t slot, std::uint32_t flow) { worker.set_packet(slot, flow); },
        [&] {
            read_keys();
            if (table.find(keys, hashes, values) != 0xFFFF'FFFFU) {
                state.SkipWithError("rte_hash does not know a flow");
            }
            for (std::size_t i = 0; i < kBurstPackets; ++i) {
                const BackendIndex index{static_cast<std::uint16_t>(values[i])};
                const auto* const record = worker.reader().backend(index);
                selections[i] = {record,
                                 shm::BackendWord(record->word.load(std::memory_order_acquire))};
                worker.verdicts[i].backend = index;
            }
            rewrite_burst(worker.context, worker.packets, facts, selections, worker.verdicts);
            count_burst(worker.context.counters, facts, worker.verdicts);
            worker.next_burst();
        });
    check_all_sent(state, worker);
}

// What nothing that forwards can go below: the header is read, two MAC addresses are written.
void floor_cost(benchmark::State& state) {
    Worker worker({1, shm::ForwardingMode::kL2, Family::kV4});
    const MacAddress source = testing::mac("02:00:00:00:00:01");
    std::uint32_t sum = 0;
    measure(
        state,
        1U << 20U,
        [&worker](std::size_t slot, std::uint32_t flow) { worker.set_packet(slot, flow); },
        [&] {
            for (const Packet& packet : worker.packets) {
                const auto& ip = header_at<Ipv4Header>(packet.data + kIp);
                sum += ip.source.get().raw() + ip.destination.get().raw();
                auto& ethernet = header_at<EthernetHeader>(packet.data);
                ethernet.destination = {{2, 0, 0, 0, 4, static_cast<std::uint8_t>(sum)}};
                ethernet.source = source;
            }
            worker.next_burst();
        });
    benchmark::DoNotOptimize(sum);
}

constexpr std::int64_t kMillion = 1'000'000;

BENCHMARK(floor_cost)->UseManualTime();
BENCHMARK_CAPTURE(fairlead_pipeline, l2_v4, shm::ForwardingMode::kL2, Family::kV4)
    ->Arg(1)
    ->Arg(1'000)
    ->Arg(kMillion)
    ->Arg(10 * kMillion)
    ->UseManualTime();
BENCHMARK(rte_hash_pipeline)
    ->Arg(1)
    ->Arg(1'000)
    ->Arg(kMillion)
    ->Arg(10 * kMillion)
    ->UseManualTime();
BENCHMARK_CAPTURE(fairlead_ports, range, Ports::kRange)->UseManualTime();
BENCHMARK_CAPTURE(fairlead_ports, any, Ports::kAny)->UseManualTime();
BENCHMARK(fairlead_miss)->Arg(kMillion)->UseManualTime();
BENCHMARK(fairlead_syn)->UseManualTime();
BENCHMARK_CAPTURE(fairlead_pipeline, ipip_v4, shm::ForwardingMode::kIpip, Family::kV4)
    ->Arg(1)
    ->Arg(kMillion)
    ->UseManualTime();
BENCHMARK_CAPTURE(fairlead_pipeline, l2_v6, shm::ForwardingMode::kL2, Family::kV6)
    ->Arg(1)
    ->Arg(kMillion)
    ->UseManualTime();
BENCHMARK_CAPTURE(fairlead_pipeline, ipip_v6, shm::ForwardingMode::kIpip, Family::kV6)
    ->Arg(1)
    ->Arg(kMillion)
    ->UseManualTime();
BENCHMARK_CAPTURE(fairlead_pipeline, gre_v4, shm::ForwardingMode::kGre, Family::kV4)
    ->Arg(1)
    ->UseManualTime();
BENCHMARK_CAPTURE(fairlead_pipeline, gue_v4, shm::ForwardingMode::kGue, Family::kV4)
    ->Arg(1)
    ->UseManualTime();
BENCHMARK_CAPTURE(fairlead_pipeline, gue_v6, shm::ForwardingMode::kGue, Family::kV6)
    ->Arg(1)
    ->UseManualTime();

}  // namespace
}  // namespace fairlead::bench

BENCHMARK_MAIN();
