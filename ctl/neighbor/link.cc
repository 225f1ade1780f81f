#include "ctl/neighbor/link.h"

#include <cstring>
#include <string_view>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netlink/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/vlan.h>

namespace fairlead::neighbor {

namespace {

// Of a parent in another network namespace the index may be that of a stranger here.
[[nodiscard]] bool has_parent_of_this_namespace(rtnl_link* link) {
    std::int32_t other_namespace = 0;
    return rtnl_link_get_link_netnsid(link, &other_namespace) != 0;
}

// A VLAN by 802.1Q.
[[nodiscard]] bool is_vlan(rtnl_link* link) {
    if (rtnl_link_is_vlan(link) == 0 || rtnl_link_vlan_get_id(link) <= 0) {
        return false;
    }
    // 802.1ad is another tag, which no port takes. A kernel that does not say means 802.1Q.
    const int protocol = rtnl_link_vlan_get_protocol(link);
    return protocol <= 0 || ntohs(static_cast<std::uint16_t>(protocol)) == ETH_P_8021Q;
}

[[nodiscard]] bool is_macvlan(rtnl_link* link) {
    const char* const kind = rtnl_link_get_type(link);
    return kind != nullptr && std::string_view(kind) == "macvlan";
}

}  // namespace

Interface interface_of_link(rtnl_link* link) {
    Interface interface;
    interface.index = rtnl_link_get_ifindex(link);
    if (const char* const name = rtnl_link_get_name(link); name != nullptr) {
        interface.name = name;
    }
    if (nl_addr* const address = rtnl_link_get_addr(link);
        address != nullptr && nl_addr_get_len(address) == interface.mac.bytes.size()) {
        std::memcpy(interface.mac.bytes.data(),
                    nl_addr_get_binary_addr(address),
                    interface.mac.bytes.size());
    }
    interface.mtu_bytes = rtnl_link_get_mtu(link);
    interface.is_up = (rtnl_link_get_flags(link) & IFF_UP) != 0;
    interface.has_carrier = (rtnl_link_get_flags(link) & IFF_RUNNING) != 0;
    interface.master_index = rtnl_link_get_master(link);
    if (has_parent_of_this_namespace(link)) {
        interface.is_macvlan = is_macvlan(link);
        if (is_vlan(link)) {
            interface.vlan = static_cast<std::uint16_t>(rtnl_link_vlan_get_id(link));
        }
        if (interface.is_macvlan || interface.vlan != 0) {
            interface.parent_index = rtnl_link_get_link(link);
        }
    }
    return interface;
}

}  // namespace fairlead::neighbor
