// A netlink socket to the kernel's routing side, in the network namespace of the caller.
#pragma once

#include <memory>

#include "dp/base/result.h"

struct nl_sock;

namespace fairlead::agent {

struct NetlinkSocketDeleter {
    void operator()(nl_sock* socket) const;
};
using NetlinkSocket = std::unique_ptr<nl_sock, NetlinkSocketDeleter>;

[[nodiscard]] Result<NetlinkSocket> open_netlink_socket();

}  // namespace fairlead::agent
