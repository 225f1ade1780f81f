#include "ctl/agent/local_addresses.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/socket.h>
#include <sys/socket.h>

namespace fairlead::agent {
namespace {

constexpr std::uint32_t kForever = 0xFFFF'FFFF;

struct AddressDeleter {
    void operator()(rtnl_addr* address) const { rtnl_addr_put(address); }
};
struct BinaryAddressDeleter {
    void operator()(nl_addr* address) const { nl_addr_put(address); }
};
struct CacheDeleter {
    void operator()(nl_cache* cache) const { nl_cache_free(cache); }
};

std::optional<IpAddress> to_ip_address(const nl_addr* binary) {
    const void* bytes = nl_addr_get_binary_addr(binary);
    if (nl_addr_get_family(binary) == AF_INET && nl_addr_get_len(binary) == 4) {
        std::uint32_t raw = 0;
        std::memcpy(&raw, bytes, sizeof raw);
        return IpAddress::from_v4(Be32::from_raw(raw));
    }
    if (nl_addr_get_family(binary) == AF_INET6 && nl_addr_get_len(binary) == 16) {
        std::array<std::uint8_t, 16> v6{};
        std::memcpy(v6.data(), bytes, v6.size());
        return IpAddress::from_v6(v6);
    }
    return std::nullopt;
}

// The VIP as an address of lo, for both adding and removing.
Result<std::unique_ptr<rtnl_addr, AddressDeleter>> on_loopback(const IpAddress& vip,
                                                               unsigned loopback_index) {
    std::unique_ptr<rtnl_addr, AddressDeleter> address(rtnl_addr_alloc());
    const std::size_t skipped = vip.is_v4() ? 12 : 0;
    const std::size_t size = vip.bytes().size() - skipped;
    const std::unique_ptr<nl_addr, BinaryAddressDeleter> binary(
        nl_addr_build(vip.is_v4() ? AF_INET : AF_INET6, vip.bytes().data() + skipped, size));
    if (!address || !binary) {
        return fail("out of memory");
    }
    rtnl_addr_set_ifindex(address.get(), static_cast<int>(loopback_index));
    if (const int error = rtnl_addr_set_local(address.get(), binary.get()); error < 0) {
        return fail(nl_geterror(error));
    }
    rtnl_addr_set_prefixlen(address.get(), static_cast<int>(8 * size));
    return address;
}

}  // namespace

bool is_on(const std::vector<LocalAddress>& present,
           const IpAddress& address,
           unsigned interface_index) {
    return std::any_of(present.begin(), present.end(), [&](const LocalAddress& local) {
        return local.address == address && local.interface_index == interface_index;
    });
}

Result<LocalAddresses> LocalAddresses::open() {
    Result<NetlinkSocket> socket = open_netlink_socket();
    if (!socket) {
        return fail(socket.error().message);
    }
    const unsigned loopback_index = if_nametoindex("lo");
    if (loopback_index == 0) {
        return fail("there is no interface lo");
    }
    return LocalAddresses(std::move(*socket), loopback_index);
}

Result<std::vector<LocalAddress>> LocalAddresses::list() const {
    nl_cache* raw_cache = nullptr;
    if (const int error = rtnl_addr_alloc_cache(socket_.get(), &raw_cache); error < 0) {
        return fail(fmt::format("cannot read the host's addresses: {}", nl_geterror(error)));
    }
    const std::unique_ptr<nl_cache, CacheDeleter> cache(raw_cache);
    std::vector<LocalAddress> found;
    nl_cache_foreach(
        cache.get(),
        [](nl_object* object, void* result) {
            // The cache holds addresses only; libnl's objects begin with their common part.
            auto* address = static_cast<rtnl_addr*>(static_cast<void*>(object));
            const nl_addr* local = rtnl_addr_get_local(address);
            const std::optional<IpAddress> value =
                local != nullptr ? to_ip_address(local) : std::nullopt;
            if (value) {
                static_cast<std::vector<LocalAddress>*>(result)->push_back(
                    {*value,
                     static_cast<unsigned>(rtnl_addr_get_prefixlen(address)),
                     static_cast<unsigned>(rtnl_addr_get_ifindex(address))});
            }
        },
        &found);
    return found;
}

Status LocalAddresses::add_to_loopback(const IpAddress& vip) const {
    auto address = on_loopback(vip, loopback_index_);
    if (!address) {
        return fail(address.error().message);
    }
    if (!vip.is_v4()) {
        rtnl_addr_set_flags(address->get(), IFA_F_NODAD);
        rtnl_addr_set_valid_lifetime(address->get(), kForever);
        rtnl_addr_set_preferred_lifetime(address->get(), 0);
    }
    const int error = rtnl_addr_add(socket_.get(), address->get(), NLM_F_EXCL);
    if (error < 0 && error != -NLE_EXIST) {
        return fail(fmt::format("cannot add {} to lo: {}", vip.text().data(), nl_geterror(error)));
    }
    return {};
}

Status LocalAddresses::remove_from_loopback(const IpAddress& vip) const {
    auto address = on_loopback(vip, loopback_index_);
    if (!address) {
        return fail(address.error().message);
    }
    const int error = rtnl_addr_delete(socket_.get(), address->get(), 0);
    if (error < 0 && error != -NLE_NOADDR && error != -NLE_OBJ_NOTFOUND) {
        return fail(
            fmt::format("cannot remove {} from lo: {}", vip.text().data(), nl_geterror(error)));
    }
    return {};
}

Result<HostEvents> HostEvents::open() {
    Result<NetlinkSocket> socket = open_netlink_socket();
    if (!socket) {
        return fail(socket.error().message);
    }
    nl_socket_disable_seq_check(socket->get());
    int error = nl_socket_add_memberships(socket->get(),
                                          RTNLGRP_LINK,
                                          RTNLGRP_IPV4_IFADDR,
                                          RTNLGRP_IPV6_IFADDR,
                                          RTNLGRP_IPV4_NETCONF,
                                          RTNLGRP_NONE);
    if (error == 0) {
        error = nl_socket_set_nonblocking(socket->get());
    }
    if (error < 0) {
        return fail(fmt::format("cannot follow the host's changes: {}", nl_geterror(error)));
    }
    return HostEvents(std::move(*socket));
}

int HostEvents::fd() const {
    return nl_socket_get_fd(socket_.get());
}

void HostEvents::drain() {
    // Whatever comes is dropped; an overflow (ENOBUFS) is a change like any other.
    std::array<char, 8192> buffer{};
    while (recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT) >= 0 || errno == ENOBUFS ||
           errno == EINTR) {
    }
}

}  // namespace fairlead::agent
