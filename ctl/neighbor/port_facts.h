// What the daemon knows of a [[port]]: read from the kernel for an interface, from the file for a
// vdev.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conf/schema/config.h"
#include "ctl/publish/publisher.h"
#include "dp/net/ip_address.h"
#include "dp/net/mac_address.h"
#include "dp/net/virtual_macs.h"

namespace fairlead::neighbor {

// An address of this host, on one of its interfaces.
struct LocalAddress {
    IpAddress ip;
    bool is_global = true;     // beyond the link and the host
    bool is_preferred = true;  // neither deprecated nor still to be shown unique
    friend bool operator==(const LocalAddress&, const LocalAddress&) = default;
};

// An interface as the kernel has it at this moment.
struct Interface {
    int index = 0;
    std::string name;
    std::vector<std::string> alternative_names;  // `altname` of `ip link`
    MacAddress mac;
    std::uint32_t mtu_bytes = 0;
    bool is_up = false;
    bool has_carrier = false;
    // Of a VLAN interface (802.1Q) or a macvlan: the one that it is on, in this network namespace.
    // 0: it is neither, or that one is elsewhere.
    int parent_index = 0;
    std::uint16_t vlan = 0;  // of a VLAN interface; 0: it is none
    bool is_macvlan = false;
    int master_index = 0;              // of a bridge's, bond's or VRF's port: that; 0: it is none
    std::vector<IpAddress> addresses;  // global scope, in the kernel's order, deprecated ones last
    VirtualMacs virtual_macs;          // set by facing_interface() alone
    friend bool operator==(const Interface&, const Interface&) = default;
};

// Whether `address` lies in the prefix. Both of one family.
[[nodiscard]] bool contains(const conf::PortConfig::Prefix& prefix,
                            const IpAddress& address) noexcept;

// The MAC addresses of virtual routers by which this host is to be reached on an interface: its
// own, and those of macvlans on it (keepalived's use_vmac, FRR), of which each
//   - is up and running: FRR takes the carrier of a backup's away (protodown);
//   - has an address of global scope: keepalived leaves a backup's up, with no address but perhaps
//     the link-local one from which it would speak.
// A backup must not count the master's frames, flooded by a switch, as its own.
[[nodiscard]] VirtualMacs virtual_macs_of(std::span<const Interface> interfaces, int index);

// Whether the interface is called so, by its name or an alternative one. The kernel gives a name to
// one interface alone, of whichever kind it is.
[[nodiscard]] bool has_name(const Interface& interface, std::string_view name);

// The one that a port names. `held` is the index of the one that was found by the name before,
// which it remains whatever it is called; 0: there was none. nullptr: it is not there.
[[nodiscard]] const Interface* named_interface(const conf::PortConfig& port,
                                               std::span<const Interface> interfaces,
                                               int held);

// The interface on which the kernel has a port's addresses, routes and neighbors: the named one, or
// for a port with a VLAN the VLAN's on that, with the MAC address of the named one, by which the
// frames come and leave, and the virtual routers' that come there too. nullopt: the named one is
// not there. index 0, and no address: the VLAN's is not there, and the rest is the named one's.
// `held` as for named_interface().
[[nodiscard]] std::optional<Interface> facing_interface(const conf::PortConfig& port,
                                                        std::span<const Interface> interfaces,
                                                        int held = 0);

// What is published of a port. `interface` is nullptr for a vdev, and for an interface that is not
// there.
[[nodiscard]] publish::DesiredPort desired_port(const conf::PortConfig& port,
                                                const Interface* interface);

}  // namespace fairlead::neighbor
