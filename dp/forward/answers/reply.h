// What the balancer answers by itself, made of the packet that asks for it.
//
// A reply takes the place of its packet: the new headers are written in front of what is kept, an
// ICMP error's quote or an echo's payload, so nothing but headers is copied. It leaves by the port
// on which the packet came, to the MAC address that sent it, which is the router for whom the
// client is remote. No neighbor is looked up, and an answer never goes to a third place.
//
// Refused, so that the drop's own reason stays: a frame that was not addressed to the port's MAC
// address (one that a switch flooded, or a broadcast: RFC 1122, 3.2.2), or without room for the
// new headers. Over its limit (reply_limit.h): reply_rate_limited.
#pragma once

#include <span>

#include "dp/forward/path/classify.h"
#include "dp/forward/pipeline.h"
#include "dp/net/headers.h"

namespace fairlead {

// The IP packet inside the frame, without Ethernet padding. Requires a frame whose IP header and
// length classify has found sound.
[[nodiscard]] std::span<std::uint8_t> ip_packet_of(const Packet& packet, bool is_v6) noexcept;

// What a reply is, and its IP header.
struct ReplyHeader {
    ReplyKind kind = ReplyKind::kNone;
    IpAddress source;
    IpAddress destination;
    std::uint8_t protocol = 0;
    std::uint8_t tos = 0;            // or traffic class
    std::uint8_t ttl = 64;           // or hop limit
    bool may_be_fragmented = false;  // IPv4: Don't Fragment is clear
    Be16 identification;             // IPv4; matters only then (RFC 6864, 4.1)
    Be16 fragment_bits;              // IPv4: offset and More Fragments of a piece
};

// Whether the frame was sent to the port on which it came, and to nobody else.
[[nodiscard]] bool is_addressed_to_port(const ForwardContext& context,
                                        const Packet& packet) noexcept;

// Whether a reply of this kind may be sent for this packet; it is paid for then. Otherwise the
// verdict is that of a drop.
[[nodiscard]] bool may_reply(ForwardContext& context,
                             const Packet& packet,
                             ReplyKind kind,
                             Verdict& verdict) noexcept;

// Whether `payload_start` may have `bytes` and the two headers of a reply in front of it.
[[nodiscard]] bool has_room(const Packet& packet,
                            const std::uint8_t* payload_start,
                            std::size_t bytes,
                            bool is_v6) noexcept;

// Makes the frame that leaves: Ethernet and IP header in front of `payload`, which lies in the
// packet's buffer and may have overwritten the Ethernet header, of which `came` is a copy. Requires
// may_reply() and has_room().
void send_reply(ForwardContext& context,
                Packet& packet,
                const EthernetHeader& came,
                std::span<std::uint8_t> payload,
                const ReplyHeader& header,
                Verdict& verdict) noexcept;

}  // namespace fairlead
