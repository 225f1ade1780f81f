// The IPv6 extension headers before a transport header, judged one by one along the walk of
// dp/net/extension_headers.h.
//
// Walked: hop-by-hop options, routing, destination options, authentication, fragment. Refused are
//
//     more than kMaxExtensionHeaders of them, or more than kMaxExtensionBytes together: real
//     traffic has one or two of some 8 to 40 bytes, and what a packet may make us read is bounded;
//     a hop-by-hop header that is not the first (4.1), a second fragment header, and headers that
//     no client of a service sends (mobility, HIP, Shim6): kExtensionHeader;
//     a routing header that has segments left: the VIP is only a stop on its way (4.4), and the
//     backend is no router (RFC 5095 for type 0): kSourceRoute;
//     a header that the packet ends in: kTruncated.
//
// The options inside the headers are the backend's to judge. Thread: any; no state.
#pragma once

#include <cstdint>

#include "dp/forward/path/classify.h"
#include "dp/forward/pipeline.h"
#include "dp/forward/verdict.h"
#include "dp/shm/drop_reason.h"

namespace fairlead {

inline constexpr std::uint32_t kMaxExtensionBytes = 256;

// Where the walk ended. Offsets count from the first byte of the IPv6 header.
struct HeaderChain {
    DropReason reason = DropReason::kNone;
    std::uint8_t protocol = 0;      // what stands at `end`: no extension header
    std::uint32_t end = 0;          // where the extension headers end
    std::uint32_t fragment_at = 0;  // the fragment header; 0: there is none
};

// Whether this is one of the walked ones.
[[nodiscard]] bool is_walked_header(std::uint8_t protocol) noexcept;

// Walks from the IPv6 header at `ip` on, within `ip_bytes`. Behind the fragment header of a piece
// that is not the first one there is no header, so the walk ends there, with the protocol that this
// piece names. Requires ip_bytes readable bytes, at least those of the IPv6 header.
[[nodiscard]] HeaderChain walk_extension_headers(const std::uint8_t* ip,
                                                 std::uint32_t ip_bytes) noexcept;

// Sends an IPv6 packet on that classify_burst() refused as kExtensionHeader or kFragment, by its
// real ports, handles its ICMPv6 message, or says why not. Requires such a packet, unchanged.
void forward_past_extensions(ForwardContext& context,
                             Packet& packet,
                             PacketFacts& facts,
                             Verdict& verdict) noexcept;

}  // namespace fairlead
