// Where the transport header of an IP packet is, behind IPv4 options or IPv6 extension headers.
//
// For packets of the rare kind, and for the packets that ICMP errors quote: of those only a part is
// there, so nothing here believes a length field that nothing but the missing part could prove.
// Thread: any; no state. Reads nothing outside the span.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "dp/net/headers.h"

namespace fairlead {

struct IpView {
    IpAddress source;
    IpAddress destination;
    std::uint32_t header_bytes = 0;  // IP header with options, or with extension headers
    std::uint8_t protocol = 0;       // of what follows
    bool is_v6 = false;
    bool is_fragment = false;        // of several
    bool is_later_fragment = false;  // what follows is no transport header
};

// `packet` begins with the IP header and may end anywhere. nullopt: another version, a header that
// does not fit or is shorter than it can be, too many extension headers, or a v4-mapped address in
// an IPv6 header. header_bytes is at most packet.size().
[[nodiscard]] std::optional<IpView> view_ip(std::span<const std::uint8_t> packet,
                                            bool is_v6) noexcept;

}  // namespace fairlead
