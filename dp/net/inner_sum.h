// The one's complement sum of an IP packet, as an outer checksum needs it, mostly without reading
// the packet.
//
// Theory of operation. All sums are modulo 65,535 (RFC 1071). A right checksum makes what it covers
// sum up to 0. So
//
//     an IPv4 header, options and all, sums up to 0;
//     a TCP segment or a UDP datagram sums up to the complement of its pseudo-header, since both
//     together sum up to 0 (RFC 9293, 3.1; RFC 768; RFC 8200, 8.1).
//
// The sum of the whole packet then follows from a few words of its IP header, at the same cost for
// 60 bytes and for 9,000. The payload has to be summed only where no checksum covers it to the end:
// a fragment, UDP without a checksum, UDP that is shorter than its IP packet, another protocol, an
// IPv6 extension header.
//
// The consequence: a packet whose own TCP or UDP checksum is wrong gets an outer checksum that is
// wrong by as much. Nobody who checks either accepts it, so damage is never covered up.
//
// Thread: any; no state.
#pragma once

#include <cstdint>
#include <span>

namespace fairlead {

// Requires a whole packet of this family whose lengths have been checked, and an IPv4 header with a
// right checksum.
[[nodiscard]] std::uint64_t sum_of_packet(std::span<const std::uint8_t> packet,
                                          bool is_v6) noexcept;

}  // namespace fairlead
