// Membership of the ports' interfaces in the VIPs' solicited-node groups (RFC 4291, 2.7.1).
//
// A router asks for the MAC address of an IPv6 VIP by multicast to a group that follows from the
// VIP's last three bytes. A NIC that filters multicast lets in only what the kernel has asked it
// for, and a switch that snoops passes on only what somebody reports (RFC 4861, 7.2.1): so the
// engine is a member as long as it answers, and the kernel tells NIC and switch. It ends with the
// process. IPv4 needs nothing of this, as ARP is broadcast.
//
// Thread: the control thread. Takes one socket for some hundred memberships: how many one may have
// is bounded by net.core.optmem_max.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <netinet/in.h>

#include "dp/base/descriptor.h"
#include "dp/base/result.h"
#include "dp/net/ip_address.h"

namespace fairlead::engine {

// Of an IPv6 address.
[[nodiscard]] in6_addr solicited_group_of(const IpAddress& address);

class SolicitedGroups {
  public:
    // Makes these interfaces members of the groups of these VIPs, and of no others. IPv4 addresses
    // are passed over. Costs nothing where nothing has changed. Error: some are not; the next call
    // tries again.
    [[nodiscard]] Status follow(std::span<const IpAddress> vips,
                                std::span<const unsigned> interface_indexes);

  private:
    // An interface's index and the group's last three bytes.
    using Membership = std::pair<unsigned, std::uint32_t>;

    [[nodiscard]] int join(const Membership& wanted);

    std::map<Membership, int> joined_;  // the socket of each
    std::vector<Descriptor> sockets_;
};

}  // namespace fairlead::engine
