// Frames for unit tests, built field by field with right lengths and checksums; a test then breaks
// what it is about. Packets that have to be judged by somebody else come from scapy (tests/packet).
#pragma once

#include <cstdint>
#include <string_view>

#include "tests/support/forward_rig.h"

namespace fairlead::testing {

struct FrameSpec {
    std::string_view source = "198.51.100.7";
    std::string_view destination = "203.0.113.10";
    std::uint16_t source_port = 40'000;
    std::uint16_t destination_port = 443;
    std::uint8_t protocol = 6;  // TCP or UDP
    std::uint8_t flags = 0x02;  // of TCP
    std::uint8_t ttl = 64;      // or hop limit
    std::uint8_t tos = 0;       // or traffic class
    std::size_t payload_bytes = 0;
    std::size_t option_bytes = 0;  // of IPv4, a multiple of 4
};

// The family is that of the addresses. The transport checksum is left 0: nothing on the way reads
// it.
[[nodiscard]] Bytes make_frame(const FrameSpec& spec);

// An ICMP or ICMPv6 message by the family of the addresses, with right checksums.
struct IcmpSpec {
    std::string_view source = "198.51.100.7";
    std::string_view destination = "203.0.113.10";
    std::uint8_t type = 3;
    std::uint8_t code = 4;
    std::uint32_t rest = 1'400;
    std::uint8_t ttl = 64;  // or hop limit
};
[[nodiscard]] Bytes make_icmp_frame(const IcmpSpec& spec, std::span<const std::uint8_t> body);

// The IP packet of a frame that make_frame() made.
[[nodiscard]] std::span<const std::uint8_t> ip_of(const Bytes& frame);

// Sets the IPv4 header checksum anew after a change.
void fix_ip_checksum(Bytes& frame);

[[nodiscard]] IpAddress address(std::string_view text);
[[nodiscard]] MacAddress mac(std::string_view text);

}  // namespace fairlead::testing
