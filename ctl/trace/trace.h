// Where would this packet go? The engine's own decision, run on the live tables without a packet.
//
// Theory of operation: a frame of the 5-tuple is made and given to forward_burst() with the
// daemon's `tables` and the engine's flow tables as they stand. The call writes to a flow table and
// to counters, so it gets ones of its own: counters that nobody reads, and a flow table of two
// buckets that holds, of the worker that tracks the flow, this flow's entry and nothing else. So
// the answer is the one of that worker. A flow that no worker tracks is a new one to whichever
// worker gets the packet; which one that is only the NIC's RSS knows, and it makes no difference.
//
// Nothing here changes a segment. Thread: the caller's; the tables' writer must not run meanwhile.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ctl/trace/question.h"
#include "dp/base/ids.h"
#include "dp/flow/flow_table.h"
#include "dp/forward/verdict.h"
#include "dp/shm/snapshot.h"

namespace fairlead::trace {

// What the flow tables hold of the packet's flow.
struct TrackedFlow {
    WorkerIndex worker{};  // whose table it is
    FlowEntry entry;
    std::int32_t seconds_left = 0;  // negative: past its time, and not swept yet
};

struct RingPlace {
    std::uint32_t slot = 0;
    std::uint32_t entries = 0;
    BackendIndex backend = kNoBackendIndex;  // the slot's owner
    std::uint8_t source_prefix_bits = 0;     // so many bits of the client chose it; 0: the flow
};

enum class Decider : std::uint8_t {
    kNone,            // no backend was looked for, or there is none
    kFlowTable,       // of the worker that tracks the flow
    kOtherFlowTable,  // of a worker other than the one that was asked
    kRing,
};

struct OuterHeader {
    IpAddress source;
    IpAddress destination;
    std::uint8_t protocol = 0;  // of what it carries
};

// What the service's allow and deny lists say of the packet's source.
struct SourceAnswer {
    bool is_denied = false;
    shm::SourceMatch match = shm::SourceMatch::kNone;  // kNone: no prefix contains it
    IpPrefix prefix;                                   // that decided
};

struct Answer {
    Verdict verdict;
    std::optional<SourceAnswer> source;  // nullopt: there is no service, or it has no lists
    std::uint64_t hash = 0;              // of the flow, where there is a service
    std::vector<TrackedFlow> flows;
    std::optional<RingPlace> ring;  // nullopt: no service, or nothing in its ring
    Decider decider = Decider::kNone;
    // Of a packet that leaves:
    MacAddress destination_mac;
    std::uint32_t bytes = 0;  // of the frame, without FCS
    std::optional<OuterHeader> outer;
};

// `flows` are the engine's flow tables by worker, `now` the flows' clock.
[[nodiscard]] Answer trace(const shm::TablesReader& tables,
                           std::span<const FlowTableView> flows,
                           FlowTick now,
                           const Question& question);

}  // namespace fairlead::trace
