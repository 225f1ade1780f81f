// The `telemetry` segment: what the engine did, and how far it has followed the daemon.
//
// Written by lbdp; each block by one worker alone (the ports' block by the control thread).
// Counters are plain integers of one writer: an add is a load and a store, without a lock prefix.
// They are atomics only so that the other process may read them without a torn or cached value;
// each is read relaxed, for itself, and no order between two of them is promised. Bytes are those
// of the Ethernet frame without FCS, as received. Times are nanoseconds.
//
// The file is kept over restarts of the engine where its layout fits, so counters go on; the gauge
// `active_flows` is recounted from the flow tables when a worker starts.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dp/base/cache_line.h"
#include "dp/shm/drop_reason.h"
#include "dp/shm/flow_state.h"
#include "dp/shm/layout.h"
#include "dp/shm/port_condition.h"
#include "dp/shm/reply_kind.h"
#include "dp/shm/tables.h"

namespace fairlead::shm {

inline constexpr std::uint32_t kMaxWorkers = 128;
// The kernel's longest, an alternative one (ALTIFNAMSIZ), with the ending NUL.
inline constexpr std::size_t kInterfaceNameBytes = 128;

// A counter or gauge with one writing thread and any number of readers.
class Counter {
  public:
    void add(std::uint64_t n) noexcept {  // pairs with get() in the daemon; only the owner adds
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void subtract(std::uint64_t n) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
    }
    void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t get() const noexcept {
        return value_.load(std::memory_order_relaxed);
    }

  private:
    std::atomic<std::uint64_t> value_;
};
static_assert(sizeof(Counter) == 8);

// Words of text that its writer changes while others read it: beside a change a reader may get half
// of one and half of the other, never more than there is room for.
template <std::size_t kBytes>
class Text {
  public:
    // What has no room, with the NUL at its end, is left off.
    void set(std::string_view text) noexcept {
        std::array<char, kBytes> bytes{};
        std::copy_n(text.begin(), std::min(text.size(), kBytes - 1), bytes.begin());
        const auto words = std::bit_cast<std::array<std::uint64_t, kBytes / 8>>(bytes);
        for (std::size_t i = 0; i < words.size(); ++i) {
            words_[i].set(words[i]);
        }
    }
    // Need not end in NUL: the memory is another program's.
    [[nodiscard]] std::array<char, kBytes> get() const noexcept {
        std::array<std::uint64_t, kBytes / 8> words{};
        for (std::size_t i = 0; i < words.size(); ++i) {
            words[i] = words_[i].get();
        }
        return std::bit_cast<std::array<char, kBytes>>(words);
    }

  private:
    static_assert(kBytes % 8 == 0);
    std::array<Counter, kBytes / 8> words_;
};

struct BackendCounters {
    Counter forwarded_packets;
    Counter forwarded_bytes;
    Counter new_flows;
    Counter active_flows;  // gauge: entries of this backend in this worker's flow table
};
static_assert(sizeof(BackendCounters) == 32);

struct alignas(kCacheLineBytes) ServiceCounters {
    Counter received_packets;
    Counter received_bytes;
    Counter new_flows;
    std::array<Counter, kDropReasonCount> dropped;
    std::array<Counter, (8 - (3 + kDropReasonCount) % 8) % 8> reserved;
};
static_assert(sizeof(ServiceCounters) % kCacheLineBytes == 0);

// What one worker tells of itself. The acknowledgement has a cache line of its own, as the daemon
// polls it.
struct alignas(kCacheLineBytes) WorkerBlock {
    // The last generation of `tables` that the worker follows; 0: none yet. Stored with release by
    // the worker, loaded with acquire by the daemon's reuse of slots (tables.h,
    // acknowledged-before-reuse).
    std::atomic<std::uint64_t> acknowledged;
    std::array<std::uint8_t, 56> reserved0{};

    alignas(kCacheLineBytes) Counter heartbeat;  // rises while the worker's loop turns
    Counter cpu;                                 // the core that it is pinned to
    Counter packets;                             // received, all ports
    Counter busy_ns;                             // time spent in loops that had packets
    Counter flow_entries;                        // gauge
    Counter flow_capacity;
    Counter flow_hits;
    Counter flow_misses;
    Counter flow_adopted;  // found in another worker's table
    Counter flow_insert_failures;
    Counter flow_searches_skipped;  // in other workers' tables, as the limit was reached
    Counter kernel_packets;         // left to the kernel: not for a VIP
    Counter source_evictions;       // of the table of sources (dp/forward/path/rate_limits.h)
    Counter held_packets;           // fragments that had to wait for the first one
    Counter cut_packets;            // before encapsulation, as they were larger than the path
    Counter reserved2;
    // By FlowState, a cache line each.
    std::array<Counter, kFlowStateCodes> flow_states;          // gauge: entries
    std::array<Counter, kFlowStateCodes> flow_quota;           // gauge; 0: as many as fit
    std::array<Counter, kFlowStateCodes> flow_quota_refusals;  // entries not made, or not proven
    std::array<Counter, kFlowStateCodes> flow_evictions;       // entries that made room
    std::array<Counter, kFlowStateCodes> flow_expired;
    std::array<Counter, kDropReasonCount> dropped;
    // The balancer's own answers, and those that the rate limit held back, by ReplyKind.
    std::array<Counter, kReplyKindCount> replies;
    std::array<Counter, kReplyKindCount> suppressed_replies;
    Counter announcements;  // of VIPs, by ARP or neighbor advertisement: frames
    std::array<Counter, (8 - (1 + kDropReasonCount + 2 * kReplyKindCount) % 8) % 8> reserved1;
};
static_assert(sizeof(WorkerBlock) % kCacheLineBytes == 0);
static_assert(offsetof(WorkerBlock, heartbeat) == kCacheLineBytes);
static_assert(offsetof(WorkerBlock, flow_states) % kCacheLineBytes == 0);

struct alignas(kCacheLineBytes) PortTelemetry {
    Name name;                    // as in [[port]]
    std::array<char, 32> driver;  // DPDK's name of it
    Counter is_up;
    Counter receive_packets;
    Counter receive_bytes;
    Counter receive_missed_packets;
    Counter receive_errors;
    Counter transmit_packets;
    Counter transmit_bytes;
    Counter transmit_errors;
    // Of a kernel interface, by its steering program; they count on while no engine runs.
    Counter kernel_packets;     // not for a VIP, left to the kernel
    Counter no_socket_packets;  // for a VIP, dropped: no engine polled, and only one could decide
    // Bits by PortCondition (port_condition.h).
    Counter conditions;
    // The kernel's name of it, now, or the one that is looked for; empty: the port has none.
    Text<kInterfaceNameBytes> interface;
    Counter interface_index;  // 0: none, or it is gone
    Counter mtu_bytes;
    Counter mtu_limit_bytes;  // what the port's buffers take
    Counter receive_queues;   // of the interface
    Counter xdp_mode;         // PortXdpMode
    Counter is_zero_copy;     // NIC and engine share the buffers
    Counter opens;            // times that this engine has opened the port
    // Parts of receive_missed_packets: by the kernel's XDP_STATISTICS, since the sockets were made.
    Counter receive_dropped;    // no buffer to receive into, or too large for one
    Counter receive_ring_full;  // the worker had not taken what came before
    Counter receive_invalid;    // buffers that the kernel refused: a fault of the engine
    Counter transmit_invalid;   // likewise, on the way out
    // By the steering program, while no engine polled (bpf/abi/steer_away.h).
    Counter away_packets;     // sent to their backends
    Counter no_room_packets;  // dropped: their service's ring had no room in its maps
    std::array<Counter, 4> reserved;
};
static_assert(sizeof(PortTelemetry) == 7 * kCacheLineBytes);

// How the steering program is attached to a port's interface.
enum class PortXdpMode : std::uint8_t {
    kNone,     // no interface stands behind the port, or it is gone
    kNative,   // in the driver
    kGeneric,  // after the kernel has made an skb: works everywhere, slower
};

struct alignas(kCacheLineBytes) TelemetryHeader {
    SegmentHeader segment;

    // Fixed at creation.
    std::uint32_t workers;  // capacity
    std::uint32_t services;
    std::uint32_t backends;
    std::uint32_t reserved0;
    std::uint64_t workers_offset;   // WorkerBlock[workers]
    std::uint64_t services_offset;  // ServiceCounters[workers][services]
    std::uint64_t backends_offset;  // BackendCounters[workers][backends]
    Counter control_heartbeat;      // rises while the control thread turns
    // The instance of `tables` that the engine follows; 0: none yet.
    std::atomic<std::uint64_t> tables_instance;
    std::array<std::uint8_t, 4> reserved1;

    // Not 0: flows of the last engine stand in tables of another size, from which workers take them
    // over one by one; `active_flows` does not count those that wait there.
    std::atomic<std::uint32_t> searches_old_flows;
    // Set by each engine as it starts, before any worker runs.
    std::atomic<std::uint32_t> worker_count;  // workers of the running engine
    std::atomic<std::uint32_t> port_count;
    std::atomic<std::uint32_t> uses_hugepages;
    std::atomic<std::int32_t> pid;
    std::atomic<std::int64_t> started_ns;  // since the epoch
    std::array<char, 40> version;
    std::array<PortTelemetry, kMaxPorts> ports;
};
static_assert(sizeof(TelemetryHeader) == (3 + 7 * kMaxPorts) * kCacheLineBytes);

// Raised with every change of meaning that the sizes and offsets below would not show.
inline constexpr std::uint32_t kTelemetryVersion = 2;

inline constexpr std::uint32_t kTelemetryFingerprint =
    fingerprint_of({kTelemetryVersion,
                    sizeof(TelemetryHeader),
                    sizeof(WorkerBlock),
                    sizeof(ServiceCounters),
                    sizeof(BackendCounters),
                    sizeof(PortTelemetry),
                    kDropReasonCount,
                    kReplyKindCount,
                    kFlowStateCount,
                    kMaxPorts,
                    offsetof(TelemetryHeader, workers_offset),
                    offsetof(TelemetryHeader, searches_old_flows),
                    offsetof(TelemetryHeader, worker_count),
                    offsetof(TelemetryHeader, ports),
                    kPortConditionCount,
                    offsetof(TelemetryHeader, control_heartbeat),
                    offsetof(PortTelemetry, kernel_packets),
                    offsetof(PortTelemetry, conditions),
                    offsetof(PortTelemetry, receive_dropped),
                    offsetof(WorkerBlock, packets),
                    offsetof(WorkerBlock, flow_states),
                    offsetof(WorkerBlock, kernel_packets),
                    offsetof(WorkerBlock, held_packets),
                    offsetof(WorkerBlock, dropped),
                    offsetof(WorkerBlock, replies),
                    offsetof(WorkerBlock, announcements),
                    offsetof(ServiceCounters, dropped)});

}  // namespace fairlead::shm
