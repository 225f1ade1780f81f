// Tunnels of every mode between every two families: what they cost, and the packet as it enters
// one.
//
//     mode   v4 outer   v6 outer   headers
//     ipip   20         40         IP                    4in4, 6in4, 4in6, 6in6
//     gre    24         44         IP, GRE               RFC 2784, no key, no checksum
//     gue    32         52         IP, UDP, GUE          version 0, UDP checksum over v6 alone
//
// Entropy for the backend's receive queues, all from the flow hash: GUE's UDP source port, the
// flow label of 4in6, and the outer source address where the port has a tunnel_source_prefix. The
// UDP checksum costs the same for every length, see dp/net/inner_sum.h.
//
// 4in4 and 6in6 from the port's address have a way of their own in rewrite.cc, which is the same
// but for its speed.
#pragma once

#include <cstdint>

#include "dp/forward/path/classify.h"
#include "dp/forward/path/egress.h"
#include "dp/forward/path/select.h"
#include "dp/forward/pipeline.h"
#include "dp/net/encap.h"
#include "dp/net/parse.h"

namespace fairlead {

// The bytes that a tunnel adds to each packet; 0 for l2, and for what is no mode.
[[nodiscard]] constexpr std::uint32_t tunnel_overhead(shm::ForwardingMode mode,
                                                      bool backend_is_v6) noexcept {
    const std::uint32_t ip_bytes = backend_is_v6 ? sizeof(Ipv6Header) : sizeof(Ipv4Header);
    switch (mode) {
        case shm::ForwardingMode::kL2:
            return 0;
        case shm::ForwardingMode::kIpip:
            return ip_bytes;
        case shm::ForwardingMode::kGre:
            return ip_bytes + static_cast<std::uint32_t>(sizeof(GreHeader));
        case shm::ForwardingMode::kGue:
            return ip_bytes + kGueBytes;
    }
    return 0;
}
static_assert(tunnel_overhead(shm::ForwardingMode::kGue, true) + sizeof(VlanTag) <=
              kNeededHeadroomBytes);

// The outer source of a flow's packets where the port has a prefix for them: the prefix, and
// behind it the low half of the flow hash, since the high half has chosen the backend.
[[nodiscard]] IpAddress source_from_prefix(const shm::PortRecord& port,
                                           bool outer_is_v6,
                                           std::uint64_t hash) noexcept;

[[nodiscard]] inline IpAddress tunnel_source(const shm::PortRecord& port,
                                             bool outer_is_v6,
                                             std::uint64_t hash) noexcept {
    if ((outer_is_v6 ? port.entropy_bits_v6 : port.entropy_bits_v4) != 0) [[unlikely]] {
        return source_from_prefix(port, outer_is_v6, hash);
    }
    return outer_is_v6 ? port.tunnel_source_v6 : port.tunnel_source_v4;
}

// Where a packet enters a tunnel.
struct TunnelEntrance {
    std::uint32_t overhead_bytes = 0;
    bool outer_is_v6 = false;
    std::uint8_t inner_ttl = 0;  // or hop limit, as received
};

[[nodiscard]] inline bool has_link_local_source(const std::uint8_t* ip, bool is_v6) noexcept {
    return is_v6 ? is_link_local_v6(header_at<Ipv6Header>(ip).source)
                 : is_link_local_v4(header_at<Ipv4Header>(ip).source.get());
}

// The checks of every tunnel, in the order of rewrite.h.
[[nodiscard]] inline DropReason check_tunnel(const Packet& packet,
                                             const PacketFacts& facts,
                                             const shm::BackendRecord& backend,
                                             const shm::PortRecord& port,
                                             const TunnelEntrance& entrance) noexcept {
    if ((entrance.outer_is_v6 ? port.tunnel_source_v6 : port.tunnel_source_v4) == IpAddress{}) {
        return DropReason::kNoTunnelSource;
    }
    if (has_link_local_source(packet.data + kEthernetBytes, facts.is_v6)) [[unlikely]] {
        return DropReason::kMartianSource;
    }
    if (entrance.inner_ttl <= 1) {
        return DropReason::kTtlExpired;
    }
    if (facts.ip_bytes + entrance.overhead_bytes > path_mtu(port, backend)) {
        return DropReason::kTooBig;
    }
    return packet.headroom < entrance.overhead_bytes ? DropReason::kNoHeadroom : DropReason::kNone;
}

// Puts the packet into the tunnel of its service's mode to the selected backend, from the inner TTL
// to the MAC addresses. A refused packet is not changed; kBadTables where the mode is none.
[[nodiscard]] DropReason send_by_tunnel(Packet& packet,
                                        const PacketFacts& facts,
                                        const Selection& selection,
                                        const shm::PortRecord& port) noexcept;

}  // namespace fairlead
