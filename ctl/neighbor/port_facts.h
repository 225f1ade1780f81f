// What the daemon knows of a [[port]]: read from the kernel for an interface, from the file for a
// vdev.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "conf/schema/config.h"
#include "ctl/publish/publisher.h"
#include "dp/net/ip_address.h"
#include "dp/net/mac_address.h"

namespace fairlead::neighbor {

// An interface as the kernel has it at this moment.
struct Interface {
    int index = 0;
    std::string name;
    MacAddress mac;
    std::uint32_t mtu_bytes = 0;
    bool is_up = false;
    std::vector<IpAddress> addresses;  // global scope, in the kernel's order
};

// Whether `address` lies in the prefix. Both of one family.
[[nodiscard]] bool contains(const conf::PortConfig::Prefix& prefix,
                            const IpAddress& address) noexcept;

// What is published of a port. `interface` is nullptr for a vdev, and for an interface that is not
// there.
[[nodiscard]] publish::DesiredPort desired_port(const conf::PortConfig& port,
                                                const Interface* interface);

}  // namespace fairlead::neighbor
