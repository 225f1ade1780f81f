// What the port on which a burst came says of its frames: which are addressed to it, and whether a
// tag without a VLAN is to be looked behind.
//
// A frame for another MAC address is not this balancer's: switches flood frames whose place they do
// not know, virtual devices take in everything, and another balancer's packet on its way to a
// backend must not be balanced a second time. Nor is a frame to a group: no router sends a packet
// for a single address so. Where the port's own address is not known (a device that was not told
// one), every frame that is to no group counts as addressed to it.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "dp/base/ids.h"
#include "dp/net/mac_address.h"
#include "dp/shm/snapshot.h"

namespace fairlead {

// The one place that knows which MAC addresses are a port's.
class OwnMac {
  public:
    OwnMac(const shm::Snapshot& snapshot, PortIndex port) noexcept
        : OwnMac(to_number(port) < snapshot.port_count ? snapshot.header->ports[to_number(port)].mac
                                                       : MacAddress{}) {}
    explicit OwnMac(const MacAddress& own) noexcept : is_known_(own != MacAddress{}) {
        constexpr std::array<std::uint8_t, 8> kWhole{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
        constexpr std::array<std::uint8_t, 8> kGroupBit{1};  // IEEE 802, 8.2.2
        std::memcpy(&mask_, is_known_ ? kWhole.data() : kGroupBit.data(), sizeof mask_);
        std::memcpy(&own_, own.bytes.data(), own.bytes.size());
    }

    [[nodiscard]] bool is_known() const noexcept { return is_known_; }
    // Whether the frame is addressed to the port. Requires a whole Ethernet header.
    [[nodiscard]] bool is_destination_of(const std::uint8_t* frame) const noexcept {
        std::uint64_t start = 0;  // the destination, and the first bytes of the source
        std::memcpy(&start, frame, sizeof start);
        return (start & mask_) == own_;
    }

  private:
    std::uint64_t mask_ = 0;
    std::uint64_t own_ = 0;
    bool is_known_;
};

struct Ingress {
    OwnMac own_mac;
    // Frames with a tag that names no VLAN are as if they had none (IEEE 802.1Q, 6.9): they are
    // held back for their tag to be taken off (vlan.h).
    bool takes_priority_tags = false;
};

}  // namespace fairlead
