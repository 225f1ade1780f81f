// One worker in memory for benchmarks: tables with 64 backends a service, a flow table on huge
// pages, 128 packet buffers as in a NIC's ring, and bursts made of flows by their numbers.
#pragma once

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
#include <vector>

#include <sys/mman.h>

#include "dp/base/burst.h"
#include "dp/forward/pipeline.h"
#include "dp/net/checksum.h"
#include "dp/net/parse.h"
#include "tests/support/packets.h"
#include "tests/support/tables_image.h"

namespace fairlead::bench {

inline constexpr std::size_t kBuffers = 128;
inline constexpr std::size_t kBufferBytes = 2'304;  // an mbuf of DPDK, headroom and all
inline constexpr std::size_t kHeadroom = 128;
inline constexpr std::uint16_t kBackends = 64;  // of each service
inline constexpr std::size_t kIp = sizeof(EthernetHeader);

[[nodiscard]] inline std::uint64_t cycles() noexcept {
    return __builtin_ia32_rdtsc();
}

[[nodiscard]] inline double cycles_per_second() {
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
    std::size_t flows = 0;
    shm::ForwardingMode mode = shm::ForwardingMode::kL2;
    Family family = Family::kV4;
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
        : tables_({.backends = 2 * kBackends, .buckets = 64, .rings = 2, .ring_entries = 65'537}),
          buckets_(std::bit_ceil(std::max<std::size_t>(setup.flows, 1U << 20U) / 4)),
          services_(2),
          backends_(std::size_t{2} * kBackends),
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
        datagram_ = testing::make_frame(
            {.source = "10.0.0.0", .destination = "203.0.113.10", .protocol = kProtocolUdp});
        datagram_.resize(60);
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
    // Makes it a packet of IPv4 from a random address and port outside those of set_packet().
    void set_stranger(std::size_t slot, std::uint64_t random, std::uint8_t tcp_flags) {
        set_packet(slot, static_cast<std::uint32_t>(random) & 0xFF'FFFFU, tcp_flags);
        make_stranger(slot, random);
    }
    // The same of UDP.
    void set_strange_datagram(std::size_t slot, std::uint64_t random) {
        set_packet(slot, 0);
        std::copy(datagram_.begin(), datagram_.end(), packets[slot].data);
        make_stranger(slot, random);
    }
    void next_burst() { first_ = (first_ + kBurstPackets) % kBuffers; }

    // Two packets of every flow, so that each is established.
    void learn(std::size_t flow_count) {
        for (std::uint32_t flow = 0; flow < flow_count; flow += kBurstPackets / 2) {
            for (std::uint32_t i = 0; i < kBurstPackets; ++i) {
                set_packet(i,
                           std::min<std::uint32_t>(flow + i / 2,
                                                   static_cast<std::uint32_t>(flow_count - 1)));
            }
            forward_burst(context, packets, verdicts);
        }
    }

    [[nodiscard]] const FlowTable& flows() const { return *flows_; }
    [[nodiscard]] shm::WorkerBlock& counters() { return *worker_; }
    [[nodiscard]] shm::TablesReader& reader() { return *reader_; }

    ForwardContext context;
    std::array<Packet, kBurstPackets> packets{};
    std::array<Verdict, kBurstPackets> verdicts{};

  private:
    void make_stranger(std::size_t slot, std::uint64_t random) {
        std::uint8_t* const start = packets[slot].data;
        auto& ip = header_at<Ipv4Header>(start + kIp);
        ip.source.set(Be32::from_host(0x0B00'0000U | (static_cast<std::uint32_t>(random) >> 8U)));
        ip.checksum.set(Be16{});
        ip.checksum.set(checksum_of({start + kIp, sizeof(Ipv4Header)}));
        const auto port = static_cast<std::uint16_t>(random >> 48U);
        std::memcpy(start + kIp + sizeof(Ipv4Header), &port, sizeof port);
    }
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
        for (auto& slot : ring) {
            slot = static_cast<std::uint16_t>(slot + kBackends);
        }
        tables_.add_service({testing::address("203.0.113.10"), 443, kProtocolUdp},
                            shm::ForwardingMode::kL2,
                            ServiceId{1},
                            1,
                            ring);
        for (std::uint16_t i = 0; i < 2 * kBackends; ++i) {
            const MacAddress mac{{2, 0, 0, 0, 4, static_cast<std::uint8_t>(i)}};
            tables_.set_backend(BackendIndex{i},
                                ServiceId{i / std::uint32_t{kBackends}},
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
    testing::Bytes datagram_;
    std::size_t first_ = 0;
};

}  // namespace fairlead::bench
