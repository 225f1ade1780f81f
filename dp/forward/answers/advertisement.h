// What says aloud which MAC address an IP address has: neighbor advertisements (RFC 4861, 4.4), and
// ARP announcements (RFC 5227, 3).
//
// An announcement is sent without being asked, so that a neighbor that still knows the address of
// the machine that had the VIP before corrects its cache at once and not when the entry grows old:
//
//     IPv4   an ARP request by and for the VIP, to everybody. A neighbor that has an entry updates
//            it; one that has none makes none (RFC 826, "Packet Reception").
//     IPv6   an unsolicited advertisement with the override flag to all nodes (RFC 4861, 7.2.6).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dp/forward/pipeline.h"
#include "dp/net/headers.h"

namespace fairlead {

// RFC 4291, 2.7.1, and RFC 2464, 7.
inline constexpr std::array<std::uint8_t, 16> kAllNodes{
    0xFF, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
inline constexpr MacAddress kAllNodesMac{{0x33, 0x33, 0, 0, 0, 1}};
// RFC 4861, 7.1: nobody beyond the segment can make it.
inline constexpr std::uint8_t kNeighborHopLimit = 255;

struct Advertisement {
    IpAddress target;
    IpAddress destination;
    MacAddress own;
    bool is_solicited = false;
};

// The ICMPv6 message, with the override flag, the target's MAC address and its checksum.
inline constexpr std::size_t kAdvertisementBytes =
    sizeof(NeighborMessage) + sizeof(LinkLayerOption);
// Requires kAdvertisementBytes at `start`, and IPv6 addresses. The sender is the target.
void write_advertisement(std::uint8_t* start, const Advertisement& advertisement) noexcept;

inline constexpr std::size_t kMaxAnnouncementBytes =
    sizeof(EthernetHeader) + sizeof(Ipv6Header) + kAdvertisementBytes;
// Writes the whole frame to packet.data and sets packet.length. Requires kMaxAnnouncementBytes
// there.
void write_announcement(Packet& packet, const IpAddress& vip, const MacAddress& own) noexcept;

}  // namespace fairlead
