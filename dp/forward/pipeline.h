// A burst of packets in, a verdict for each out: the whole decision, pure.
//
// forward_burst() parses, finds the service, finds or picks the backend, rewrites the packet in
// place, and bumps the counters. It sees bytes and tables only: no mbuf, clock, log, lock or system
// call, so the engine, the tests, the benchmarks, the fuzzers and `lbctl trace` all run this same
// code.
//
// Thread: one worker; a ForwardContext is that worker's. Memory: packets and tables belong to the
// caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dp/flow/flow_table.h"
#include "dp/forward/answers/reply_limit.h"
#include "dp/forward/path/rate_limits.h"
#include "dp/forward/path/search_limit.h"
#include "dp/forward/verdict.h"
#include "dp/shm/snapshot.h"
#include "dp/shm/telemetry.h"

namespace fairlead {

class FragmentTable;

// No Ethernet frame is shorter (IEEE 802.3, 4.2.3.3), without its FCS. What was shorter on a
// virtual link is padded before it leaves for a backend on the segment, where its buffer has the
// room, and that of a tag which is taken off before.
inline constexpr std::uint32_t kMinFrameBytes = 60;
inline constexpr std::uint32_t kPaddingRoomBytes = kMinFrameBytes + 4;
// Outer headers are written in front of a packet, and a VLAN tag: 56 bytes at most, rounded up.
inline constexpr std::uint32_t kNeededHeadroomBytes = 64;

// One frame, contiguous in memory. forward_burst() moves `data` and changes `length` where it adds
// an outer header, cuts Ethernet padding off, or puts another VLAN tag on, or none (vlan.h).
struct Packet {
    std::uint8_t* data = nullptr;  // first byte of the Ethernet header
    std::uint32_t length = 0;      // bytes of the frame, without FCS
    std::uint32_t headroom = 0;    // writable bytes before `data`
};

// A buffer for a packet that becomes several (cut.h). The caller sets the first four fields.
struct SparePacket {
    void* owner = nullptr;          // the caller's word for it
    std::uint8_t* start = nullptr;  // where the Ethernet header is to begin
    std::uint32_t room = 0;         // writable bytes from there on
    std::uint32_t headroom = 0;     // writable bytes before it
    Packet packet;
    Verdict verdict;
    const Packet* cut_from = nullptr;  // of the burst, while it goes through the stages
};

// One worker's counters in `telemetry`.
struct WorkerCounters {
    shm::WorkerBlock* worker = nullptr;
    std::span<shm::ServiceCounters> services;
    std::span<shm::BackendCounters> backends;
};

struct ForwardContext {
    const shm::TablesReader* tables = nullptr;
    shm::Snapshot snapshot;                      // taken anew by the caller at the top of its loop
    FlowTable* flows = nullptr;                  // this worker's own
    std::span<const FlowTableView> other_flows;  // of the other workers, read-only
    WorkerCounters counters;
    FlowTick now{};                      // coarse, from the caller's clock
    std::uint64_t now_ms = 0;            // finer, of a clock that all workers share
    FragmentTable* fragments = nullptr;  // of all workers; nullptr: fragments are dropped
    PortIndex receiving_port{};          // on which the burst came
    // Whether every buffer, spare ones too, has at least kPaddingRoomBytes writable bytes from its
    // frame's start on.
    bool has_padding_room = false;
    ReplyLimit reply_limit;
    SearchLimit search_limit;
    RateLimits limits;
    std::span<SparePacket> spares;  // without any, nothing is cut
    std::size_t spares_used = 0;    // how many of them are to be sent; the caller sets it back
};

// Requires packets.size() == verdicts.size(), of which more than kBurstPackets go through the
// stages in parts; all pointers of the context set; each packet at most 65,535 bytes long. Counts
// in `telemetry`: packets, kernel_packets, drops by reason, flow lookups, and all of services and
// backends. What happens to a packet afterwards (a full transmit queue, no path to the kernel),
// heartbeat and time are the caller's to count.
void forward_burst(ForwardContext& context,
                   std::span<Packet> packets,
                   std::span<Verdict> verdicts) noexcept;

// Visits the next `buckets` buckets of the own flow table, and removes entries that are past their
// deadline or whose backend no longer keeps its flows (tracked-entry, but for the service). Returns
// how many went. To be called between bursts so often that a full round takes about a tick:
// active_flows and drains are exact to within one round. Does nothing before the first generation.
std::size_t sweep_flows(ForwardContext& context, std::size_t buckets) noexcept;

}  // namespace fairlead
