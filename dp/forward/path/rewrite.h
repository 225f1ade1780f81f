// Third stage: the packet as it leaves.
//
//     l2     destination MAC of the backend, source MAC of the egress port, nothing else: the
//            packet stays on the segment, so no router's work is done on it and its TTL stays; a
//            frame of less than 60 bytes keeps so much of its padding, or gets some
//     ipip, gre, gue
//            TTL or hop limit lowered by one, outer headers in front (tunnel.h), then MACs
//
// Ethernet padding is cut off but for that. In this order a packet is refused: no neighbor; port
// out of bounds; mode that there is no such thing as; no tunnel source of the backend's family;
// link-local source (tunnels); TTL of 1 or 0 (tunnels); larger than the egress port's MTU; no
// headroom. A refused packet is not changed.
#pragma once

#include <cstddef>
#include <span>

#include "dp/forward/path/classify.h"
#include "dp/forward/path/select.h"
#include "dp/forward/pipeline.h"

namespace fairlead {

// Requires verdicts without a reason. Makes verdicts[i] final for each packet that still has a
// service, and returns how many leave. All spans have one size.
std::size_t rewrite_burst(const ForwardContext& context,
                          std::span<Packet> packets,
                          std::span<const PacketFacts> facts,
                          std::span<const Selection> selections,
                          std::span<Verdict> verdicts) noexcept;

}  // namespace fairlead
