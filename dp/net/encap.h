// Outer headers of the tunnels: IP in IP (RFC 2003, RFC 2473, RFC 4213), GRE (RFC 2784) and GUE
// (draft-ietf-intarea-gue-09), over IPv4 and IPv6.
//
// The inner packet is carried unchanged, but for its TTL or hop limit, which the balancer lowers by
// one as the router that it is (RFC 2003, 3.1; RFC 2473, 3.1). What the outer IP header takes over:
//
//     inner   outer   taken over
//     IPv4    IPv4    ToS
//     IPv6    IPv4    traffic class as ToS
//     IPv6    IPv6    traffic class and flow label. The label gives routers on the way the client's
//                     entropy (RFC 6438, 3).
//     IPv4    IPv6    ToS as traffic class; the flow label comes from the flow hash.
//
// TTL and hop limit are 64. Over IPv4, Don't Fragment is always set, as it must be where it is set
// inside and may be where it is not (RFC 2003, 3.1), and the Identification is 0, which then says
// nothing (RFC 6864, 4.1). A router behind which the path is smaller so tells us of it, and what
// may be cut is cut inside, before it enters the tunnel; pieces of a tunnel packet would find
// nobody at its end who puts them together.
//
// Thread: any; no state. Nothing here checks lengths or MTUs.
#pragma once

#include <cstdint>

#include "dp/net/headers.h"

namespace fairlead {

inline constexpr std::uint8_t kOuterTtl = 64;

// What an outer IP header says, beside its addresses. OuterFields are made by outer_fields().
struct OuterFields {
    std::uint32_t payload_bytes = 0;  // all that follows the outer IP header
    std::uint32_t flow_label = 0;     // IPv6; 20 bits
    std::uint8_t tos = 0;             // or traffic class
    std::uint8_t protocol = 0;
};

// What an inner header hands on; protocol and payload_bytes are the caller's to set. Of
// `flow_label` the low 20 bits count, and only for IPv4, since IPv6 has its own. Inline: a call
// would hand so small a thing over in registers, made by byte stores that a wider load waits for.
[[nodiscard]] inline OuterFields outer_fields(const Ipv4Header& inner,
                                              std::uint32_t flow_label) noexcept {
    return {.flow_label = flow_label & 0xF'FFFFU, .tos = inner.tos};
}
[[nodiscard]] inline OuterFields outer_fields(const Ipv6Header& inner) noexcept {
    const std::uint32_t first_word = inner.version_class_label.get().host();
    return {.flow_label = first_word & 0xF'FFFFU,
            .tos = static_cast<std::uint8_t>(first_word >> 20U)};
}

// Writes an outer header to `outer`. Requires sizeof(Ipv4Header) writable bytes there, v4
// addresses, and at most 65,515 bytes of payload.
void write_outer_v4(std::uint8_t* outer,
                    const OuterFields& fields,
                    const IpAddress& source,
                    const IpAddress& destination) noexcept;
// The same for IPv6: sizeof(Ipv6Header) bytes, v6 addresses, at most 65,535 bytes of payload.
void write_outer_v6(std::uint8_t* outer,
                    const OuterFields& fields,
                    const IpAddress& source,
                    const IpAddress& destination) noexcept;

// The outer header of 4in4 and that of 6in6 in one step, for an inner packet whose length its
// header tells. Every packet of such a service comes here; the general form takes seven
// instructions more for it.
void write_4in4(std::uint8_t* outer,
                const Ipv4Header& inner,
                const IpAddress& source,
                const IpAddress& destination) noexcept;
void write_6in6(std::uint8_t* outer,
                const Ipv6Header& inner,
                const IpAddress& source,
                const IpAddress& destination) noexcept;

// Writes a GRE header without key, checksum and sequence number: sizeof(GreHeader) bytes.
void write_gre(std::uint8_t* bytes, Be16 inner_type) noexcept;

// Writes UDP and GUE header: kGueBytes bytes. `payload_bytes` is what follows them. The UDP
// checksum is left 0, "none", which IPv4 allows (RFC 768).
inline constexpr std::uint32_t kGueBytes = sizeof(UdpHeader) + sizeof(GueHeader);
void write_gue(std::uint8_t* bytes,
               Be16 source_port,
               std::uint8_t inner_protocol,
               std::uint32_t payload_bytes) noexcept;

// The checksum of the UDP header that write_gue() wrote to `udp`, between v6 addresses (RFC 8200,
// 8.1), where `inner_sum` is the one's complement sum of what follows GUE's header (inner_sum.h).
// Requires a checksum field of 0.
[[nodiscard]] Be16 gue_checksum(const std::uint8_t* udp,
                                std::uint64_t inner_sum,
                                const IpAddress& source,
                                const IpAddress& destination) noexcept;

// Lowers the TTL by one and corrects the checksum. Requires a TTL of at least 1.
void decrement_ttl(Ipv4Header& header) noexcept;

}  // namespace fairlead
