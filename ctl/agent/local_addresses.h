// The host's own addresses, by netlink: read, VIPs put on lo and taken off, changes noticed.
//
// All in the network namespace of the caller. One thread at a time. Needs CAP_NET_ADMIN to change.
#pragma once

#include <vector>

#include "ctl/agent/netlink_socket.h"
#include "dp/base/result.h"
#include "dp/net/ip_address.h"

namespace fairlead::agent {

struct LocalAddress {
    IpAddress address;
    unsigned prefix_bits = 0;
    unsigned interface_index = 0;
};

[[nodiscard]] bool is_on(const std::vector<LocalAddress>& present,
                         const IpAddress& address,
                         unsigned interface_index);

class LocalAddresses {
  public:
    [[nodiscard]] static Result<LocalAddresses> open();

    // Those of all interfaces.
    [[nodiscard]] Result<std::vector<LocalAddress>> list() const;

    // As /32 or /128. An IPv6 VIP skips duplicate address detection, which lo does not do and which
    // would delay it, and is deprecated from the start (preferred lifetime 0): it answers, but
    // connections that the host opens itself never start from it (RFC 6724, rule 3). Being there
    // already is no error.
    [[nodiscard]] Status add_to_loopback(const IpAddress& vip) const;
    // Not being there is no error.
    [[nodiscard]] Status remove_from_loopback(const IpAddress& vip) const;

    [[nodiscard]] unsigned loopback_index() const { return loopback_index_; }

  private:
    LocalAddresses(NetlinkSocket socket, unsigned loopback_index)
        : socket_(std::move(socket)), loopback_index_(loopback_index) {}

    NetlinkSocket socket_;
    unsigned loopback_index_;
};

// Tells that addresses, interfaces or some of their IPv4 settings (rp_filter; not arp_ignore and
// arp_announce) have changed, not what has: the listener looks again.
class HostEvents {
  public:
    [[nodiscard]] static Result<HostEvents> open();

    // Becomes readable when something has changed.
    [[nodiscard]] int fd() const;
    // Takes what has come off the socket, without waiting.
    void drain();

  private:
    explicit HostEvents(NetlinkSocket socket) : socket_(std::move(socket)) {}
    NetlinkSocket socket_;
};

}  // namespace fairlead::agent
