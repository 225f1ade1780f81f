#include "ctl/neighbor/port_facts.h"

#include <algorithm>

namespace fairlead::neighbor {

namespace {

constexpr std::uint32_t kEthernetMtu = 1500;

// The first address of the family, or :: where there is none.
[[nodiscard]] IpAddress first_of_family(const std::vector<IpAddress>& addresses, bool v4) {
    const auto found =
        std::find_if(addresses.begin(), addresses.end(), [&](const IpAddress& address) {
            return address.is_v4() == v4;
        });
    return found == addresses.end() ? IpAddress{} : *found;
}

}  // namespace

bool contains(const conf::PortConfig::Prefix& prefix, const IpAddress& address) noexcept {
    if (prefix.address.is_v4() != address.is_v4()) {
        return false;
    }
    // An IPv4 prefix counts from bit 96 of the 16-byte form.
    const unsigned bits = prefix.length + (address.is_v4() ? 96U : 0U);
    for (unsigned bit = 0; bit < bits && bit < 128; ++bit) {
        const unsigned mask = 0x80U >> (bit % 8);
        if (((prefix.address.bytes()[bit / 8] ^ address.bytes()[bit / 8]) & mask) != 0) {
            return false;
        }
    }
    return true;
}

VirtualMacs virtual_macs_of(std::span<const Interface> interfaces, int index) {
    VirtualMacs result;
    for (const Interface& interface : interfaces) {
        // A veth's IFLA_LINK is its peer: the kind tells what is on an interface.
        const bool is_there =
            interface.index == index || (interface.is_macvlan && interface.parent_index == index);
        if (is_there && interface.is_up && interface.has_carrier && !interface.addresses.empty()) {
            result.add(interface.mac);
        }
    }
    return result;
}

bool has_name(const Interface& interface, std::string_view name) {
    const std::vector<std::string>& others = interface.alternative_names;
    return interface.name == name || std::find(others.begin(), others.end(), name) != others.end();
}

const Interface* named_interface(const conf::PortConfig& port,
                                 std::span<const Interface> interfaces,
                                 int held) {
    const auto first_of = [&interfaces](const auto& is_it) {
        const auto found = std::find_if(interfaces.begin(), interfaces.end(), is_it);
        return found == interfaces.end() ? nullptr : &*found;
    };
    if (const Interface* const same =
            first_of([held](const Interface& interface) { return interface.index == held; })) {
        return same;
    }
    return first_of(
        [&port](const Interface& interface) { return has_name(interface, port.interface); });
}

std::optional<Interface> facing_interface(const conf::PortConfig& port,
                                          std::span<const Interface> interfaces,
                                          int held) {
    const Interface* const named = named_interface(port, interfaces, held);
    if (named == nullptr) {
        return std::nullopt;
    }
    if (port.vlan == 0) {
        Interface facing = *named;
        facing.virtual_macs = virtual_macs_of(interfaces, facing.index);
        return facing;
    }
    const auto tagged =
        std::find_if(interfaces.begin(), interfaces.end(), [&](const Interface& interface) {
            return interface.vlan == port.vlan && interface.parent_index == named->index;
        });
    Interface facing = tagged == interfaces.end() ? *named : *tagged;
    facing.mac = named->mac;
    facing.is_up = facing.is_up && named->is_up;
    if (tagged == interfaces.end()) {
        facing.index = 0;
        facing.addresses.clear();
    } else {
        facing.virtual_macs = virtual_macs_of(interfaces, facing.index);
    }
    return facing;
}

publish::DesiredPort desired_port(const conf::PortConfig& port, const Interface* interface) {
    publish::DesiredPort desired;
    desired.name = port.name;
    std::vector<IpAddress> addresses;
    if (interface != nullptr) {
        desired.mac = interface->mac;
        desired.virtual_macs = interface->virtual_macs;
        desired.mtu_bytes = interface->mtu_bytes;
        addresses = interface->addresses;
    } else {
        desired.mtu_bytes = kEthernetMtu;
        for (const conf::PortConfig::Prefix& prefix : port.addresses) {
            addresses.push_back(prefix.address);
        }
    }
    desired.mac = port.mac.value_or(desired.mac);
    desired.mtu_bytes = port.mtu != 0 ? port.mtu : desired.mtu_bytes;
    desired.vlan = port.vlan;
    desired.tunnel_source_v4 = first_of_family(addresses, true);
    desired.tunnel_source_v6 = first_of_family(addresses, false);
    for (const IpAddress& source : port.tunnel_sources) {
        (source.is_v4() ? desired.tunnel_source_v4 : desired.tunnel_source_v6) = source;
    }
    if (port.tunnel_source_prefix) {
        const conf::PortConfig::Prefix& prefix = *port.tunnel_source_prefix;
        desired.tunnel_prefix = {prefix.address, prefix.length};
        // A port without an address of its own speaks from the prefix's first.
        IpAddress& own =
            prefix.address.is_v4() ? desired.tunnel_source_v4 : desired.tunnel_source_v6;
        if (own == IpAddress{}) {
            own = prefix.address;
        }
    }
    return desired;
}

}  // namespace fairlead::neighbor
