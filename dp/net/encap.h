// Outer headers of the tunnels: IPv4 in IPv4 (RFC 2003) and IPv6 in IPv6 (RFC 2473).
//
// The inner packet is carried unchanged, but for its TTL or hop limit, which the balancer lowers by
// one as the router that it is (RFC 2003, 3.1; RFC 2473, 3.1). The outer header:
//
//     IPv4   ToS, Don't Fragment and Identification from the inner header, TTL 64, protocol 4.
//            DF set inside must be set outside (RFC 2003, 3.1). The Identification is unique for
//            (client, VIP), not for (balancer, backend): it matters only where DF is clear and a
//            hop behind the balancer has a smaller MTU.
//     IPv6   traffic class and flow label from the inner header, hop limit 64, next header 41. The
//            label gives routers on the way the client's entropy (RFC 6438, 3).
//
// Thread: any; no state. Nothing here checks lengths or MTUs.
#pragma once

#include <cstdint>

#include "dp/net/headers.h"

namespace fairlead {

inline constexpr std::uint8_t kOuterTtl = 64;

// Writes an outer header to `outer`. Requires sizeof(Ipv4Header) writable bytes there, which must
// not overlap `inner`, v4 addresses, and a total length of the result of at most 65,535.
void write_outer_v4(std::uint8_t* outer,
                    const Ipv4Header& inner,
                    const IpAddress& source,
                    const IpAddress& destination) noexcept;

// The same for IPv6: sizeof(Ipv6Header) bytes, v6 addresses, inner packet of at most 65,535 bytes.
void write_outer_v6(std::uint8_t* outer,
                    const Ipv6Header& inner,
                    const IpAddress& source,
                    const IpAddress& destination) noexcept;

// Lowers the TTL by one and corrects the checksum. Requires a TTL of at least 1.
void decrement_ttl(Ipv4Header& header) noexcept;

}  // namespace fairlead
