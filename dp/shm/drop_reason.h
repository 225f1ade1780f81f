// Every way in which a packet for a VIP can end without being forwarded: one enumerator, one metric
// name, one sentence that says what it means and what to do.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fairlead {

enum class DropReason : std::uint8_t {
    kNone,
    kTruncated,
    kBadIpVersion,
    kBadHeaderLength,
    kBadTotalLength,
    kBadIpChecksum,
    kMartianSource,
    kFragment,
    kExtensionHeader,
    kUnsupportedProtocol,
    kNoService,
    kNoBackend,
    kNoNeighbor,
    kNoTunnelSource,
    kTtlExpired,
    kTooBig,
    kNoHeadroom,
    kBadTables,
    kTransmitFull,
    kNoKernelPath,
    kBadFragment,
    kTinyFragment,
    kFragmentOverlap,
    kFragmentNoRoom,
    kSourceRoute,
    kNoSpareBuffer,
    kBadIcmpChecksum,
    kBadIcmpQuote,
    kIcmpType,
    kEchoRefused,
    kReplyRateLimited,
    kBadNeighborQuestion,
    kDeniedSource,
    kOverPacketLimit,
    kOverSourceLimit,
    kCount,
};

inline constexpr std::size_t kDropReasonCount = static_cast<std::size_t>(DropReason::kCount);

struct DropReasonText {
    std::string_view metric;    // the value of the label `reason`
    std::string_view sentence;  // for people
};

inline constexpr std::array<DropReasonText, kDropReasonCount> kDropReasonTexts{{
    {"none", "Not dropped."},
    {"truncated",
     "The packet ends inside a header, or before the length that its UDP or TCP header gives. Look "
     "for a faulty NIC, cable or sender."},
    {"bad_ip_version",
     "The IP version does not match the Ethernet type. Look for a faulty sender."},
    {"bad_header_length",
     "The IP or transport header says that it is shorter than it can be. Look for a "
     "faulty or hostile sender."},
    {"bad_total_length",
     "The IP header says that the packet is longer than what arrived, or shorter than "
     "its own headers. Look for a faulty or hostile sender."},
    {"bad_ip_checksum",
     "The IPv4 header checksum is wrong. Look for a faulty sender, or for checksum "
     "offload left on between virtual interfaces."},
    {"martian_source",
     "The source address can never be a client's (RFC 1812, 5.3.7; RFC 4291, 2.5), or is "
     "link-local and the backend behind a tunnel. Look for spoofed traffic; filter it at the "
     "border."},
    {"fragment",
     "A fragment of a packet to a VIP whose first fragment, which names the port, did not come "
     "within a second. Look for loss on the way, or for forged fragments."},
    {"extension_header",
     "More than 8 IPv6 extension headers or 256 bytes of them, in an order that is forbidden, or "
     "of "
     "a kind that no client of a service sends. Look for a faulty or hostile sender."},
    {"unsupported_protocol", "A packet to a VIP that is neither TCP nor UDP."},
    {"no_service",
     "No service listens on this port of the VIP. Scans do that; else compare "
     "`lbctl service list` with what the client uses."},
    {"no_backend", "No backend of the service takes connections. See `lbctl backend list`."},
    {"no_neighbor",
     "The MAC address of the backend or of its gateway is not known. See the reason in "
     "`lbctl backend list`; check cabling, address and route."},
    {"no_tunnel_source",
     "The egress port has no address of the tunnel's family. Give the interface one, or "
     "set tunnel_source in [[port]]."},
    {"ttl_expired",
     "The packet's TTL or hop limit ended here. Look for a routing loop; traceroute does it "
     "too."},
    {"too_big",
     "The packet is larger than the egress port's MTU after encapsulation. Raise the MTU of the "
     "tunnel's path, or lower the clients' MSS."},
    {"no_headroom",
     "The packet buffer has no room for the outer header. A vdev with small buffers; raise "
     "its headroom."},
    {"bad_tables",
     "The shared tables hold an index outside their bounds. Restart lbd; if it returns, "
     "something else writes to the segment."},
    {"transmit_full",
     "The port's transmit queue was full. The link is saturated, or its far side stalls."},
    {"no_kernel_path",
     "A packet for this host arrived on a port behind which no kernel interface stands."},
    {"bad_fragment",
     "A fragment that is empty, or whose length and offset cannot be: no multiple of 8, or past "
     "65,535 bytes. Look for a hostile sender."},
    {"tiny_fragment",
     "A first fragment without the whole transport header, or a later one that begins inside it "
     "(RFC 1858, RFC 3128, RFC 7112). Look for a hostile sender."},
    {"fragment_overlap",
     "A fragment that repeats or overlaps one that went before it, or comes after an overlapping "
     "one (RFC 5722). Single ones are duplicates of the network; else look for a hostile sender."},
    {"fragment_no_room",
     "Too many fragments waited for their first one, and this was the oldest; or it would have "
     "left more than 16 gaps in its datagram. Look for a flood of fragments; reordering alone "
     "does not do this."},
    {"source_route",
     "The packet asks to be routed by a list of addresses that it carries (RFC 7126, 4.3 and 4.4; "
     "RFC 8200, 4.4). Look for a hostile sender."},
    {"no_spare_buffer",
     "A packet that had to be fragmented found no free packet buffers for its pieces, or too small "
     "ones. Raise the MTU of the tunnel's path, or lower the senders'."},
    {"bad_icmp_checksum",
     "The checksum of an ICMP message to a VIP is wrong. Look for a faulty sender or a faulty "
     "link."},
    {"bad_icmp_quote",
     "An ICMP error to a VIP quotes no packet that a TCP or UDP service of that VIP can have sent. "
     "Look for a faulty router, or for somebody who forges errors."},
    {"icmp_type",
     "An ICMP message to a VIP that is neither an error about a flow nor an echo request; no "
     "service uses it."},
    {"echo_refused",
     "A ping of a VIP that does not answer: no service of it is up, or icmp_echo is \"never\"."},
    {"reply_rate_limited",
     "More packets than the limit asked for an answer of the balancer (ICMP error, echo reply, "
     "reset). Look for a flood, or for clients that ignore Packet Too Big."},
    {"bad_neighbor_question",
     "An ARP request or neighbor solicitation for a VIP that breaks the rules, or by which another "
     "host claims the VIP. Look for a second owner of the address."},
    {"denied_source",
     "The service's `allow` and `deny` keep this source away. If it is a customer's, "
     "`lbctl trace` with the source names the prefix; correct the list and reload."},
    {"over_packet_limit",
     "More packets than the service's limits.packets a second. Look for a flood, in a capture; "
     "raise "
     "the limit and reload if the customers are that many."},
    {"over_source_limit",
     "A source began more flows a second than limits.new_flows_per_source. Look for a scan or a "
     "flood of SYNs; a NAT with many customers behind it needs a higher limit."},
}};

[[nodiscard]] constexpr const DropReasonText& text_of(DropReason reason) noexcept {
    return kDropReasonTexts[static_cast<std::size_t>(reason)];
}

}  // namespace fairlead
