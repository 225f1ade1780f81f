// Second stage: which backend a packet goes to.
//
// In this order:
//
//     1. the own flow table, if the backend found there still is that flow's (tracked.h); for a
//        SYN, if the flow is established and checks have not taken the backend out, or if it is
//        unproven and the backend takes new flows
//     2. for anything but a SYN, the other workers' tables by the same rule; what is found is
//        adopted into the own table (RSS has moved the flow, or workers are more or fewer)
//     3. if the flow would begin with this packet, what its source may begin (limit.h)
//     4. the service's ring, by the flow or by the client (ring_hash.h); the flow is remembered, as
//        unproven, unless its first packet ends it
//
// The entry that another worker leaves behind stays until its deadline and is counted by it as
// long, so an adopted flow is counted twice until then.
#pragma once

#include <span>

#include "dp/forward/path/classify.h"
#include "dp/forward/pipeline.h"

namespace fairlead {

struct Selection {
    const shm::BackendRecord* record = nullptr;
    shm::BackendWord word;  // as it was when the backend was chosen
};

// Writes selections[i] and verdicts[i].backend for each packet that has a service, whose verdict
// has no reason yet, and leaves the others' alone; where no backend is to be had, facts[i].service
// becomes nullptr and verdicts[i].reason says why. All spans have one size, at most kBurstPackets.
void select_burst(ForwardContext& context,
                  std::span<const Packet> packets,
                  std::span<PacketFacts> facts,
                  std::span<Selection> selections,
                  std::span<Verdict> verdicts) noexcept;

// The backend of a packet that only speaks of a flow, as an ICMP error does: own table, other
// workers' tables, ring, and no entry is made, refreshed or ended, since anybody can forge such a
// packet. Requires facts.service and facts.hash of that flow, and the address of its client, 4 or
// 16 bytes. Sets selection and verdict.backend; the reason why not otherwise. Not counted as a
// lookup.
[[nodiscard]] DropReason select_related(ForwardContext& context,
                                        const PacketFacts& facts,
                                        const std::uint8_t* client,
                                        Selection& selection,
                                        Verdict& verdict) noexcept;

}  // namespace fairlead
