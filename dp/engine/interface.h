// What the kernel says of a network interface, asked in the calling thread's network namespace.
//
// By ioctl, and netlink for a name that has no room there, and not from /sys, which shows the
// namespace of whoever mounted it. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "dp/base/result.h"
#include "dp/net/mac_address.h"

namespace fairlead::engine {

struct InterfaceFacts {
    unsigned index = 0;
    bool is_up = false;     // switched on by the administrator
    bool has_link = false;  // and with a carrier
    std::uint32_t mtu_bytes = 0;
    std::uint32_t receive_queues = 1;  // 1 where the driver does not say
    bool strips_vlan_tags = false;     // received tags go beside the packet, not in it
    MacAddress mac;
};

// `name` may be one of its alternative names, of any length that the kernel takes. Error: no such
// interface here, or it is no Ethernet.
[[nodiscard]] Result<InterfaceFacts> look_at_interface(const std::string& name);

// The name that the interface has now; "": it is not in this namespace any more.
[[nodiscard]] std::string interface_name(unsigned index);

// Leaves VLAN tags in the frames that arrive, as `ethtool -K NAME rxvlan off` does. Whether they
// are left there now.
[[nodiscard]] bool keep_vlan_tags(const std::string& name);

}  // namespace fairlead::engine
