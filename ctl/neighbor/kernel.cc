#include "ctl/neighbor/kernel.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include <linux/neighbour.h>
#include <netlink/cache.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include "ctl/neighbor/link.h"

namespace fairlead::neighbor {

namespace {

struct SocketDeleter {
    void operator()(nl_sock* socket) const { nl_socket_free(socket); }
};
struct CacheDeleter {
    void operator()(nl_cache* cache) const { nl_cache_free(cache); }
};
struct MessageDeleter {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
};
struct AddressDeleter {
    void operator()(nl_addr* address) const { nl_addr_put(address); }
};
using Socket = std::unique_ptr<nl_sock, SocketDeleter>;
using Cache = std::unique_ptr<nl_cache, CacheDeleter>;
using Message = std::unique_ptr<nl_msg, MessageDeleter>;
using Address = std::unique_ptr<nl_addr, AddressDeleter>;

[[nodiscard]] std::optional<IpAddress> to_ip(nl_addr* address) {
    if (address == nullptr) {
        return std::nullopt;
    }
    if (nl_addr_get_family(address) == AF_INET && nl_addr_get_len(address) == 4) {
        std::uint32_t raw = 0;
        std::memcpy(&raw, nl_addr_get_binary_addr(address), sizeof raw);
        return IpAddress::from_v4(Be32::from_raw(raw));
    }
    if (nl_addr_get_family(address) == AF_INET6 && nl_addr_get_len(address) == 16) {
        std::array<std::uint8_t, 16> bytes{};
        std::memcpy(bytes.data(), nl_addr_get_binary_addr(address), bytes.size());
        return IpAddress::from_v6(bytes);
    }
    return std::nullopt;
}

[[nodiscard]] std::optional<MacAddress> to_mac(nl_addr* address) {
    MacAddress mac;
    if (address == nullptr || nl_addr_get_len(address) != mac.bytes.size()) {
        return std::nullopt;
    }
    std::memcpy(mac.bytes.data(), nl_addr_get_binary_addr(address), mac.bytes.size());
    return mac;
}

// The address as netlink carries it: 4 or 16 bytes.
struct WireAddress {
    explicit WireAddress(const IpAddress& address) {
        if (address.is_v4()) {
            family = AF_INET;
            length = 4;
            const std::uint32_t raw = address.v4().raw();
            std::memcpy(bytes.data(), &raw, sizeof raw);
        } else {
            family = AF_INET6;
            length = 16;
            bytes = address.bytes();
        }
    }
    [[nodiscard]] Address build() const {
        return Address(nl_addr_build(family, bytes.data(), length));
    }

    std::uint8_t family = 0;
    std::size_t length = 0;
    std::array<std::uint8_t, 16> bytes{};
};

using NeighborKey = std::pair<int, IpAddress>;

void add_neighbor(std::map<NeighborKey, NeighborEntry>& entries, rtnl_neigh* neighbor) {
    const std::optional<IpAddress> address = to_ip(rtnl_neigh_get_dst(neighbor));
    if (!address) {
        return;
    }
    const int state = rtnl_neigh_get_state(neighbor);
    NeighborEntry entry;
    entry.is_failed = state >= 0 && (state & NUD_FAILED) != 0;
    entry.is_permanent = state >= 0 && (state & NUD_PERMANENT) != 0;
    constexpr int kKnown =
        NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;
    if (state >= 0 && (state & kKnown) != 0) {
        entry.mac = to_mac(rtnl_neigh_get_lladdr(neighbor));
    }
    entries[{rtnl_neigh_get_ifindex(neighbor), *address}] = entry;
}

[[nodiscard]] Route to_route(rtnl_route* route) {
    Route result;
    result.is_unicast = rtnl_route_get_type(route) == RTN_UNICAST;
    unsigned int mtu = 0;
    if (rtnl_route_get_metric(route, RTAX_MTU, &mtu) == 0) {
        result.mtu_bytes = mtu;
    }
    if (rtnl_nexthop* const hop = rtnl_route_nexthop_n(route, 0); hop != nullptr) {
        result.interface_index = rtnl_route_nh_get_ifindex(hop);
        result.gateway = to_ip(rtnl_route_nh_get_gateway(hop));
        if (!result.gateway) {
            result.gateway = to_ip(rtnl_route_nh_get_via(hop));
        }
    }
    return result;
}

// Called by libnl for each message of an answer.
int on_route(nl_msg* message, void* argument) {
    auto* const found = static_cast<std::optional<Route>*>(argument);
    rtnl_route* route = nullptr;
    if (rtnl_route_parse(nlmsg_hdr(message), &route) == 0) {
        *found = to_route(route);
        rtnl_route_put(route);
    }
    return NL_OK;
}

}  // namespace

class Kernel::Sockets {
  public:
    Socket query;
    Socket notification;
    std::map<NeighborKey, NeighborEntry> neighbors;
};

Kernel::Kernel(std::unique_ptr<Sockets> sockets) : sockets_(std::move(sockets)) {}
Kernel::~Kernel() = default;

Result<std::unique_ptr<Kernel>> Kernel::open() {
    auto sockets = std::make_unique<Sockets>();
    sockets->query.reset(nl_socket_alloc());
    sockets->notification.reset(nl_socket_alloc());
    if (!sockets->query || !sockets->notification) {
        return fail("no memory for netlink sockets");
    }
    nl_sock* const notification = sockets->notification.get();
    nl_socket_disable_seq_check(notification);
    int error = nl_connect(sockets->query.get(), NETLINK_ROUTE);
    if (error == 0) {
        error = nl_connect(notification, NETLINK_ROUTE);
    }
    if (error == 0) {
        error = nl_socket_add_memberships(notification,
                                          RTNLGRP_LINK,
                                          RTNLGRP_NEIGH,
                                          RTNLGRP_IPV4_IFADDR,
                                          RTNLGRP_IPV6_IFADDR,
                                          RTNLGRP_IPV4_ROUTE,
                                          RTNLGRP_IPV6_ROUTE,
                                          0);
    }
    if (error == 0) {
        error = nl_socket_set_nonblocking(notification);
    }
    if (error != 0) {
        return fail(std::string("cannot listen to the kernel's routes and neighbors: ") +
                    nl_geterror(error));
    }
    return std::unique_ptr<Kernel>(new Kernel(std::move(sockets)));
}

int Kernel::notification_fd() const {
    return nl_socket_get_fd(sockets_->notification.get());
}

bool Kernel::drain() {
    // What changed is read anew as a whole, so that an overflow of the socket loses nothing.
    bool more_than_neighbors = false;
    alignas(nlmsghdr) std::array<char, 16'384> buffer{};
    while (true) {
        const ssize_t got = ::recv(notification_fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got < 0) {
            if (errno == ENOBUFS) {
                more_than_neighbors = true;
                continue;
            }
            return more_than_neighbors;
        }
        auto* message = static_cast<nlmsghdr*>(static_cast<void*>(buffer.data()));
        int left = static_cast<int>(got);
        for (; nlmsg_ok(message, left) != 0; message = nlmsg_next(message, &left)) {
            more_than_neighbors = more_than_neighbors || (message->nlmsg_type != RTM_NEWNEIGH &&
                                                          message->nlmsg_type != RTM_DELNEIGH);
        }
    }
}

std::optional<std::vector<Interface>> Kernel::interfaces() {
    std::vector<Interface> result;
    nl_cache* raw = nullptr;
    if (rtnl_link_alloc_cache(sockets_->query.get(), AF_UNSPEC, &raw) != 0) {
        return std::nullopt;
    }
    const Cache links(raw);
    for (nl_object* object = nl_cache_get_first(links.get()); object != nullptr;
         object = nl_cache_get_next(object)) {
        auto* const link = static_cast<rtnl_link*>(static_cast<void*>(object));
        result.push_back(interface_of_link(link));
    }
    if (rtnl_addr_alloc_cache(sockets_->query.get(), &raw) != 0) {
        return std::nullopt;
    }
    const Cache addresses(raw);
    for (nl_object* object = nl_cache_get_first(addresses.get()); object != nullptr;
         object = nl_cache_get_next(object)) {
        auto* const address = static_cast<rtnl_addr*>(static_cast<void*>(object));
        const auto owner =
            std::find_if(result.begin(), result.end(), [&](const Interface& interface) {
                return interface.index == rtnl_addr_get_ifindex(address);
            });
        const std::optional<IpAddress> ip = to_ip(rtnl_addr_get_local(address));
        if (owner != result.end() && ip && rtnl_addr_get_scope(address) == RT_SCOPE_UNIVERSE) {
            owner->addresses.push_back(*ip);
        }
    }
    return result;
}

std::optional<Route> Kernel::route(const IpAddress& destination) {
    const WireAddress wire(destination);
    rtmsg request{};
    request.rtm_family = wire.family;
    request.rtm_dst_len = static_cast<unsigned char>(wire.length * 8);
    const Message message(nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_REQUEST));
    const Address address = wire.build();
    if (!message || !address ||
        nlmsg_append(message.get(), &request, sizeof request, NLMSG_ALIGNTO) != 0 ||
        nla_put_addr(message.get(), RTA_DST, address.get()) != 0) {
        return std::nullopt;
    }
    std::optional<Route> found;
    nl_sock* const query = sockets_->query.get();
    nl_socket_modify_cb(query, NL_CB_VALID, NL_CB_CUSTOM, on_route, &found);
    // The kernel answers with the route and an acknowledgement, or with an error alone.
    if (nl_send_auto(query, message.get()) >= 0 && nl_recvmsgs_default(query) >= 0) {
        nl_wait_for_ack(query);
    }
    nl_socket_modify_cb(query, NL_CB_VALID, NL_CB_DEFAULT, nullptr, nullptr);
    return found;
}

bool Kernel::read_neighbors() {
    nl_cache* raw = nullptr;
    if (rtnl_neigh_alloc_cache(sockets_->query.get(), &raw) != 0) {
        return false;
    }
    const Cache cache(raw);
    sockets_->neighbors.clear();
    for (nl_object* object = nl_cache_get_first(cache.get()); object != nullptr;
         object = nl_cache_get_next(object)) {
        add_neighbor(sockets_->neighbors, static_cast<rtnl_neigh*>(static_cast<void*>(object)));
    }
    return true;
}

std::optional<NeighborEntry> Kernel::neighbor(int interface_index, const IpAddress& address) const {
    const auto found = sockets_->neighbors.find({interface_index, address});
    if (found == sockets_->neighbors.end()) {
        return std::nullopt;
    }
    return found->second;
}

Status Kernel::solicit(int interface_index,
                       const IpAddress& address,
                       const std::optional<MacAddress>& known) {
    const WireAddress wire(address);
    int error = 0;
    for (const bool managed : {true, false}) {
        ndmsg request{};
        request.ndm_family = wire.family;
        request.ndm_ifindex = interface_index;
        // Without its address a known neighbor would be forgotten first, and then looked for.
        request.ndm_state = known ? NUD_STALE : NUD_NONE;
        request.ndm_flags = managed ? 0 : NTF_USE;
        const Message message(
            nlmsg_alloc_simple(RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE));
        const Address destination = wire.build();
        if (!message || !destination ||
            nlmsg_append(message.get(), &request, sizeof request, NLMSG_ALIGNTO) != 0 ||
            nla_put_addr(message.get(), NDA_DST, destination.get()) != 0 ||
            (known &&
             nla_put(message.get(), NDA_LLADDR, sizeof known->bytes, known->bytes.data()) != 0) ||
            (managed && nla_put_u32(message.get(), NDA_FLAGS_EXT, NTF_EXT_MANAGED) != 0)) {
            return fail("no memory for a netlink message");
        }
        error = nl_send_auto(sockets_->query.get(), message.get());
        if (error >= 0) {
            error = nl_wait_for_ack(sockets_->query.get());
        }
        if (error >= 0) {
            return {};
        }
    }
    return fail(std::string("the kernel does not look for the neighbor: ") + nl_geterror(error));
}

}  // namespace fairlead::neighbor
