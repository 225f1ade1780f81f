#include "ctl/agent/tunnel_devices.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <netinet/in.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/route/link.h>
#include <netlink/route/link/ip6tnl.h>
#include <netlink/route/link/sit.h>

namespace fairlead::agent {
namespace {

struct CacheDeleter {
    void operator()(nl_cache* cache) const { nl_cache_free(cache); }
};

struct Found {
    const std::vector<LocalAddress>& addresses;
    std::vector<TunnelDevice> devices;
};

// sit0 and ip6tnl0 hold IPv6 inside unless their mode says otherwise, and drop the rest.
bool takes_ipv4(rtnl_link* link) {
    switch (rtnl_link_get_arptype(link)) {
        case ARPHRD_TUNNEL:
        case ARPHRD_IPGRE:
        case ARPHRD_IP6GRE:
            return true;
        case ARPHRD_TUNNEL6:
            return rtnl_link_is_ip6_tnl(link) == 0 ||
                   rtnl_link_ip6_tnl_get_proto(link) != IPPROTO_IPV6;
        case ARPHRD_SIT:
            return rtnl_link_is_sit(link) == 0 || rtnl_link_sit_get_proto(link) != IPPROTO_IPV6;
        default:
            return false;
    }
}

void collect(nl_object* object, void* result) {
    // The cache holds links only; libnl's objects begin with their common part.
    auto* link = static_cast<rtnl_link*>(static_cast<void*>(object));
    auto& found = *static_cast<Found*>(result);
    const char* name = rtnl_link_get_name(link);
    if (name == nullptr || (rtnl_link_get_flags(link) & IFF_UP) == 0 || !takes_ipv4(link)) {
        return;
    }
    const auto index = static_cast<unsigned>(rtnl_link_get_ifindex(link));
    const bool has_address = std::any_of(
        found.addresses.begin(), found.addresses.end(), [index](const LocalAddress& local) {
            return local.interface_index == index && local.address.is_v4();
        });
    found.devices.push_back({name, has_address});
}

}  // namespace

Result<std::vector<TunnelDevice>> list_tunnel_devices(const NetlinkSocket& socket,
                                                      const std::vector<LocalAddress>& addresses) {
    nl_cache* raw_cache = nullptr;
    if (const int error = rtnl_link_alloc_cache(socket.get(), AF_UNSPEC, &raw_cache); error < 0) {
        return fail(fmt::format("cannot read the host's interfaces: {}", nl_geterror(error)));
    }
    const std::unique_ptr<nl_cache, CacheDeleter> cache(raw_cache);
    Found found{addresses, {}};
    nl_cache_foreach(cache.get(), collect, &found);
    return std::move(found.devices);
}

}  // namespace fairlead::agent
