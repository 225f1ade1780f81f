// Between classify and select: what a service's allow and deny lists and its rates keep away.
//
// In this order a packet of a service is refused:
//
//     denied_source      the service's lists deny its source (shm/prefix_table.h)
//     over_packet_limit  more packets a second than the service takes (rate_limits.h); what the
//                        lists deny does not count
//     over_source_limit  by select, where a flow would begin (a SYN, or the first datagram) and its
//                        source, of IPv6 its /64, has begun too many. Any other TCP packet may be
//                        of a connection that is only unknown here, and is not limited
//
// The lists and the packet rate concern every packet of the service, whether its flow is tracked or
// not: also fragments and packets with extension headers, which come here once their service is
// known. An ICMP error is judged by the client of the flow that it quotes: its own source is a
// router, of which the lists say nothing. Pings, ARP and neighbor discovery belong to a VIP, not to
// a service.
//
// A snapshot without any limit costs one branch a burst; a service without one, one branch a
// packet.
#pragma once

#include <span>

#include "dp/forward/path/classify.h"
#include "dp/forward/pipeline.h"
#include "dp/forward/verdict.h"

namespace fairlead {

// For the packets that have a service; where one is refused, facts[i].service becomes nullptr and
// verdicts[i].reason says why. All spans have one size, at most kBurstPackets.
void limit_burst(ForwardContext& context,
                 std::span<const Packet> packets,
                 std::span<PacketFacts> facts,
                 std::span<Verdict> verdicts) noexcept;

// The same for one packet whose service was found later; false: it is refused. Requires
// facts.service and verdict.service.
[[nodiscard]] bool limit_one(ForwardContext& context,
                             const IpAddress& client,
                             PacketFacts& facts,
                             Verdict& verdict) noexcept;

// Whether the flow that this packet would begin is within its source's limit. Requires
// facts.service and facts.source_key != 0.
[[nodiscard]] bool may_begin_flow(ForwardContext& context, const PacketFacts& facts) noexcept;

}  // namespace fairlead
