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
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <random>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <sys/mman.h>

#include <benchmark/benchmark.h>

#include "dp/forward/classify.h"
#include "dp/forward/count.h"
#include "dp/forward/rewrite.h"
#include "dp/forward/select.h"
#include "dp/net/checksum.h"
#include "dp/net/parse.h"
#include "tests/bench/rte_hash_flows.h"
#include "tests/support/packets.h"
#include "tests/support/tables_image.h"

namespace fairlead::bench {
namespace {

constexpr std::size_t kBurst = 32;
constexpr std::size_t kBuffers = 128;
constexpr std::size_t kBufferBytes = 2'304;  // an mbuf of DPDK, headroom and all
constexpr std::size_t kHeadroom = 128;
constexpr std::uint16_t kBackends = 64;
constexpr std::size_t kIp = sizeof(EthernetHeader);

[[nodiscard]] std::uint64_t cycles() noexcept {
    return __builtin_ia32_rdtsc();
}

[[nodiscard]] double cycles_per_second() {
    static const double value = [] {
        using Clock = std::chrono::steady_clock;
        const auto start = Clock::now();
        const std::uint64_t first = cycles();
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        const std::uint64_t last = cycles();
        const std::chrono::duration<double> took = Clock::now() - start;
        return static_cast<double>(last - first) / took.count();
    }();
    return value;
}

// ---- one worker

enum class Family {
    kV4,
    kV6
};

// What of its VIP the service takes; packets go to port 443.
enum class Ports {
    kOne,
    kRange,
    kAny
};

struct Setup {
    std::size_t flows;
    shm::ForwardingMode mode;
    Family family;
    Ports ports = Ports::kOne;
    auto operator<=>(const Setup&) const = default;
};

// Zeroed memory for flow buckets, on transparent huge pages where the kernel has them.
class Buckets {
  public:
    explicit Buckets(std::size_t count) : bytes_(count * sizeof(shm::FlowBucket)) {
        start_ =
            ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (start_ == MAP_FAILED) {
            throw std::system_error(errno, std::generic_category(), "mmap");
        }
        ::madvise(start_, bytes_, MADV_HUGEPAGE);  // without them it is slower, not wrong
    }
    ~Buckets() { ::munmap(start_, bytes_); }
    Buckets(const Buckets&) = delete;
    Buckets& operator=(const Buckets&) = delete;
    [[nodiscard]] std::span<shm::FlowBucket> span() const {
        return {static_cast<shm::FlowBucket*>(start_), bytes_ / sizeof(shm::FlowBucket)};
    }

  private:
    std::size_t bytes_;
    void* start_ = nullptr;
};

class Worker {
  public:
    explicit Worker(const Setup& setup)
        : tables_({.backends = kBackends, .buckets = 64, .rings = 1, .ring_entries = 65'537}),
          buckets_(std::bit_ceil(std::max<std::size_t>(setup.flows, 1U << 20U) / 4)),
          services_(1),
          backends_(kBackends),
          worker_(std::make_unique<shm::WorkerBlock>()),
          memory_(kBuffers * kBufferBytes) {
        fill_tables(setup);
        reader_ = std::make_unique<shm::TablesReader>(tables_.reader());
        flows_ = std::make_unique<FlowTable>(buckets_.span(), *worker_, backends_);
        context.tables = reader_.get();
        context.snapshot = reader_->snapshot();
        context.flows = flows_.get();
        context.counters = {worker_.get(), services_, backends_};
        const bool is_v4 = setup.family == Family::kV4;
        frame_ = testing::make_frame({.source = is_v4 ? "10.0.0.0" : "2001:db8:c::",
                                      .destination = is_v4 ? "203.0.113.10" : "2001:db8::10",
                                      .flags = kTcpAck});
        frame_.resize(std::max<std::size_t>(frame_.size(), 60));
    }

    // Makes frame `slot` of the next burst a packet of flow `flow`, below 2^24.
    void set_packet(std::size_t slot, std::uint32_t flow, std::uint8_t tcp_flags = kTcpAck) {
        std::uint8_t* const start =
            memory_.data() + (first_ + slot) % kBuffers * kBufferBytes + kHeadroom;
        std::copy(frame_.begin(), frame_.end(), start);
        const Be32 number = Be32::from_host(flow);
        if (frame_[12] == 0x08) {
            auto& ip = header_at<Ipv4Header>(start + kIp);
            ip.source.set(Be32::from_host(0x0A00'0000U | flow));
            ip.checksum.set(Be16{});
            ip.checksum.set(checksum_of({start + kIp, sizeof(Ipv4Header)}));
            header_at<TcpHeader>(start + kIp + sizeof(Ipv4Header)).flags = tcp_flags;
        } else {
            std::memcpy(start + kIp + 8 + 12, &number, sizeof number);
            header_at<TcpHeader>(start + kIp + sizeof(Ipv6Header)).flags = tcp_flags;
        }
        packets[slot] = {start, static_cast<std::uint32_t>(frame_.size()), kHeadroom};
    }
    void next_burst() { first_ = (first_ + kBurst) % kBuffers; }

    // Two packets of every flow, so that each is established.
    void learn(std::size_t flow_count) {
        for (std::uint32_t flow = 0; flow < flow_count; flow += kBurst / 2) {
            for (std::uint32_t i = 0; i < kBurst; ++i) {
                set_packet(i,
                           std::min<std::uint32_t>(flow + i / 2,
                                                   static_cast<std::uint32_t>(flow_count - 1)));
            }
            forward_burst(context, packets, verdicts);
        }
    }

    [[nodiscard]] const FlowTable& flows() const { return *flows_; }
    [[nodiscard]] shm::TablesReader& reader() { return *reader_; }

    ForwardContext context;
    std::array<Packet, kBurst> packets{};
    std::array<Verdict, kBurst> verdicts{};

  private:
    void fill_tables(const Setup& setup) {
        tables_.snapshot().flow_hash_seed = 0x0123'4567'89AB'CDEF;
        tables_.snapshot().port_count = 1;
        shm::PortRecord& port = tables_.port(0);
        port.mac = testing::mac("02:00:00:00:00:01");
        port.mtu_bytes = 1'500;
        port.tunnel_source_v4 = testing::address("10.0.0.2");
        port.tunnel_source_v6 = testing::address("fd00::2");
        std::vector<std::uint16_t> ring(65'537);
        std::mt19937 random(1);
        for (auto& slot : ring) {
            slot = static_cast<std::uint16_t>(random() % kBackends);
        }
        const bool is_v4 = setup.family == Family::kV4;
        const std::uint16_t first_port = setup.ports == Ports::kAny ? 0 : 443;
        const std::uint16_t last_port = setup.ports == Ports::kRange ? 450 : 0;
        tables_.add_service({testing::address(is_v4 ? "203.0.113.10" : "2001:db8::10"),
                             first_port,
                             kProtocolTcp,
                             last_port},
                            setup.mode,
                            ServiceId{0},
                            0,
                            ring);
        for (std::uint16_t i = 0; i < kBackends; ++i) {
            const MacAddress mac{{2, 0, 0, 0, 4, static_cast<std::uint8_t>(i)}};
            tables_.set_backend(BackendIndex{i},
                                ServiceId{0},
                                testing::address(is_v4 ? "10.0.4.1" : "fd00:4::1"),
                                shm::BackendWord::make(mac, PortIndex{0}, 1, ~0ULL << 58U));
        }
        tables_.publish(1);
    }

    testing::TablesImage tables_;
    Buckets buckets_;
    std::vector<shm::ServiceCounters> services_;
    std::vector<shm::BackendCounters> backends_;
    std::unique_ptr<shm::WorkerBlock> worker_;
    std::unique_ptr<shm::TablesReader> reader_;
    std::unique_ptr<FlowTable> flows_;
    std::vector<std::uint8_t> memory_;
    testing::Bytes frame_;
    std::size_t first_ = 0;
};

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
        for (std::size_t slot = 0; slot < kBurst; ++slot) {
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
    const double median = static_cast<double>(*middle) / kBurst;
    state.counters["cycles/packet"] = median;
    state.counters["ns/packet"] = median / cycles_per_second() * 1e9;
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurst));
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
    std::array<PacketFacts, kBurst> facts;
    std::array<Selection, kBurst> selections;
    std::array<FiveTuple, kBurst> keys;
    std::array<std::uint32_t, kBurst> hashes{};
    std::array<std::uint64_t, kBurst> values{};
    const auto read_keys = [&] {
        classify_burst(
            worker.context.snapshot, *worker.context.flows, worker.packets, facts, worker.verdicts);
        for (std::size_t i = 0; i < kBurst; ++i) {
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
            for (std::size_t i = 1; i < kBurst; ++i) {
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
            for (std::size_t i = 0; i < kBurst; ++i) {
                const BackendIndex index{static_cast<std::uint16_t>(values[i])};
                const auto* const record = worker.reader().backend(index);
                selections[i] = {record,
                                 shm::BackendWord(record->word.load(std::memory_order_acquire))};
                worker.verdicts[i].backend = index;
            }
            rewrite_burst(
                worker.context.snapshot, worker.packets, facts, selections, worker.verdicts);
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
