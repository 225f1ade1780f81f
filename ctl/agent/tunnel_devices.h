// The kernel's own tunnel devices, where it takes tunnels apart itself.
//
// The fallback devices (tunl0, ip6tnl0, gre0, ...) and those that somebody has made. One that is
// down takes nothing.
#pragma once

#include <string>
#include <vector>

#include "ctl/agent/local_addresses.h"
#include "ctl/agent/netlink_socket.h"
#include "dp/base/result.h"

namespace fairlead::agent {

struct TunnelDevice {
    std::string name;
    bool has_v4_address = false;

    friend bool operator==(const TunnelDevice&, const TunnelDevice&) = default;
};

// Those that are up and may bring IPv4 packets to light, among the links of the namespace in which
// the socket was opened. `addresses` are the host's.
[[nodiscard]] Result<std::vector<TunnelDevice>> list_tunnel_devices(
    const NetlinkSocket& socket, const std::vector<LocalAddress>& addresses);

}  // namespace fairlead::agent
