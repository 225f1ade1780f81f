// What a router says about a packet that this balancer sent into a tunnel: "too big, my next link
// takes so much".
//
// Sources: RFC 792 and RFC 1191, 4 (Fragmentation Needed with the next hop's MTU); RFC 4443, 3.2
// (Packet Too Big). The message quotes the outer header, from which source, destination and kind
// of tunnel are read. Anybody can write such a message: whoever believes it must know both
// addresses as its own tunnel's.
//
// Thread: any; no state. Every length is checked before it is read.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "dp/net/ip_address.h"

namespace fairlead::neighbor {

struct TunnelError {
    IpAddress source;       // of the quoted packet: our end
    IpAddress destination;  // the backend's end
    std::uint32_t mtu_bytes = 0;
};

// `packet` is an IPv4 packet with ICMP in it, as a raw socket hands it out: nobody has checked the
// ICMP checksum yet. nullopt: not such a message, or not about a tunnel of ours, or damaged.
[[nodiscard]] std::optional<TunnelError> read_tunnel_error_v4(
    std::span<const std::uint8_t> packet) noexcept;

// `message` begins with the ICMPv6 header; its checksum was checked by the kernel.
[[nodiscard]] std::optional<TunnelError> read_tunnel_error_v6(
    std::span<const std::uint8_t> message) noexcept;

}  // namespace fairlead::neighbor
