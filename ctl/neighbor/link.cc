#include "ctl/neighbor/link.h"

#include <cstring>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netlink/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/vlan.h>

namespace fairlead::neighbor {

namespace {

// A VLAN by 802.1Q, on an interface that is here too: of a parent in another network namespace the
// index may be that of a stranger here.
[[nodiscard]] bool is_vlan_of_this_namespace(rtnl_link* link) {
    std::int32_t other_namespace = 0;
    if (rtnl_link_is_vlan(link) == 0 || rtnl_link_vlan_get_id(link) <= 0 ||
        rtnl_link_get_link_netnsid(link, &other_namespace) == 0) {
        return false;
    }
    // 802.1ad is another tag, which no port takes. A kernel that does not say means 802.1Q.
    const int protocol = rtnl_link_vlan_get_protocol(link);
    return protocol <= 0 || ntohs(static_cast<std::uint16_t>(protocol)) == ETH_P_8021Q;
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
    if (is_vlan_of_this_namespace(link)) {
        interface.parent_index = rtnl_link_get_link(link);
        interface.vlan = static_cast<std::uint16_t>(rtnl_link_vlan_get_id(link));
    }
    return interface;
}

}  // namespace fairlead::neighbor
