// What the port on which a burst came says of its frames: which are addressed to it, and whether a
// tag without a VLAN is to be looked behind.
//
// A frame for another MAC address is not this balancer's: switches flood frames whose place they do
// not know, virtual devices take in everything, and another balancer's packet on its way to a
// backend must not be balanced a second time. Nor is a frame to a group: no router sends a packet
// for a single address so. Beside the port's own address those of the virtual routers count that
// this host is on it at the moment (RFC 5798, 7.3; ctl/neighbor/port_facts.h). Where the port's own
// address is not known (a device that was not told one), every frame that is to no group counts as
// addressed to it.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "dp/base/ids.h"
#include "dp/net/mac_address.h"
#include "dp/net/virtual_macs.h"
#include "dp/shm/snapshot.h"

namespace fairlead {

// The one place that knows which MAC addresses are a port's. The snapshot must outlive it.
class OwnMac {
  public:
    OwnMac(const shm::Snapshot& snapshot, PortIndex port) noexcept {
        MacAddress own;
        if (to_number(port) < snapshot.port_count) {
            own = snapshot.header->ports[to_number(port)].mac;
            virtual_macs_ = &snapshot.header->virtual_macs[to_number(port)];
        }
        mask_ = own == MacAddress{} ? kGroupBit : kWhole;
        std::memcpy(&own_, own.bytes.data(), own.bytes.size());
    }

    [[nodiscard]] bool is_known() const noexcept { return mask_ == kWhole; }
    // Whether the frame is addressed to the port. Requires a whole Ethernet header.
    [[nodiscard]] bool is_destination_of(const std::uint8_t* frame) const noexcept {
        std::uint64_t start = 0;  // the destination, and the first bytes of the source
        std::memcpy(&start, frame, sizeof start);
        return (start & mask_) == own_ || is_virtual_destination_of(frame);
    }

  private:
    static constexpr auto kWhole = std::bit_cast<std::uint64_t>(
        std::array<std::uint8_t, 8>{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF});
    static constexpr auto kGroupBit =
        std::bit_cast<std::uint64_t>(std::array<std::uint8_t, 8>{1});  // IEEE 802, 8.2.2

    // Out of the plain packet's way.
    [[gnu::noinline, gnu::cold]] [[nodiscard]] bool is_virtual_destination_of(
        const std::uint8_t* frame) const noexcept {
        MacAddress destination;
        std::memcpy(destination.bytes.data(), frame, destination.bytes.size());
        return virtual_macs_ != nullptr && virtual_macs_->has(destination);
    }

    std::uint64_t mask_ = 0;
    std::uint64_t own_ = 0;
    const VirtualMacs* virtual_macs_ = nullptr;
};

struct Ingress {
    OwnMac own_mac;
    // Frames with a tag that names no VLAN are as if they had none (IEEE 802.1Q, 6.9): they are
    // held back for their tag to be taken off (vlan.h).
    bool takes_priority_tags = false;
};

}  // namespace fairlead
