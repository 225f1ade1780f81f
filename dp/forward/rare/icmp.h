// ICMP and ICMPv6 for a VIP: errors go to the backend of the flow that they quote, pings are
// answered.
//
//     an error          Destination Unreachable, Time Exceeded and Parameter Problem of RFC 792;
//                       every type below 128 of ICMPv6, also one that is not known yet (RFC 4443,
//                       2.4 (a)). Source Quench and Redirect are not forwarded: RFC 6633 and
//                       RFC 1122, 3.2.2.2 have a host ignore them, or trust its own gateways alone.
//     an echo request   answered where the VIP's policy says so (shm::VipPolicy)
//     anything else     dropped
//
// The quoted packet went from the VIP to the client, so the flow's key is its reverse. Of the
// quoted transport header eight bytes are enough, all that RFC 792 promises; of the quoted packet's
// lengths and checksums nothing is believed, since what forwarded it may have changed them.
//
// In this order a message is refused: shorter than its header (truncated); an echo request where
// pings are not answered, or are answered too often; checksum; type; for an error the quote, then
// its service, then what limit, select and rewrite refuse. No answer is ever given to an error (RFC
// 1122, 3.2.2; RFC 4443, 2.4 (e)).
#pragma once

#include "dp/forward/path/classify.h"
#include "dp/forward/pipeline.h"

namespace fairlead {

// Requires a whole IP header of the message at `ip`.
[[nodiscard]] bool has_right_icmp_checksum(const std::uint8_t* ip,
                                           std::span<const std::uint8_t> message,
                                           bool is_v6) noexcept;

// For a packet that was refused as unsupported_protocol; one that is not ICMP stays so. ICMPv6 may
// stand behind extension headers that extension.h has walked, and in an atomic fragment (RFC 6946).
void handle_icmp(ForwardContext& context,
                 Packet& packet,
                 PacketFacts& facts,
                 Verdict& verdict) noexcept;

}  // namespace fairlead
