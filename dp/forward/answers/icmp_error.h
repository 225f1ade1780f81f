// ICMP errors that the balancer sends: it is a router where it tunnels, and the host behind a VIP
// where no service listens.
//
//     too_big       larger than the egress port after encapsulation: "fragmentation needed" for
//                   IPv4 with DF (RFC 1191, 4; RFC 1812, 4.3.2.3), Packet Too Big for IPv6 (RFC
//                   4443, 3.2), from the VIP, with what the mode leaves of the port's MTU. Without
//                   DF, or where the least MTU that IPv6 allows does not fit (RFC 8200, 5), the
//                   packet stays a drop.
//     ttl_expired   Time Exceeded (RFC 792; RFC 4443, 3.3), from the receiving port's own address,
//                   or from the VIP if it has none of that family
//
// As much of the packet is quoted as its router may: 576 bytes in all for IPv4 (RFC 1812, 4.3.2.3),
// 1,280 for IPv6 (RFC 4443, 2.4 (c)). Never an error about an ICMP error, or about a fragment but
// the first (RFC 1122, 3.2.2; RFC 4443, 2.4 (e)); sources that no host can have are refused before.
#pragma once

#include "dp/forward/path/classify.h"
#include "dp/forward/pipeline.h"

namespace fairlead {

// For a packet that rewrite refused as too_big, with its backend in the verdict.
void answer_too_big(ForwardContext& context,
                    Packet& packet,
                    const PacketFacts& facts,
                    Verdict& verdict) noexcept;

// For a packet that rewrite refused as ttl_expired.
void answer_ttl_expired(ForwardContext& context,
                        Packet& packet,
                        const PacketFacts& facts,
                        Verdict& verdict) noexcept;

// "Port unreachable", from the VIP (RFC 1122, 3.2.2.1; RFC 4443, 3.1), for a whole datagram.
void answer_port_unreachable(ForwardContext& context,
                             Packet& packet,
                             const PacketFacts& facts,
                             Verdict& verdict) noexcept;

}  // namespace fairlead
