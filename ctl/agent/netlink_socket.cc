#include "ctl/agent/netlink_socket.h"

#include <fmt/format.h>
#include <linux/netlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

namespace fairlead::agent {

void NetlinkSocketDeleter::operator()(nl_sock* socket) const {
    nl_socket_free(socket);
}

Result<NetlinkSocket> open_netlink_socket() {
    NetlinkSocket socket(nl_socket_alloc());
    if (!socket) {
        return fail("cannot make a netlink socket: out of memory");
    }
    if (const int error = nl_connect(socket.get(), NETLINK_ROUTE); error < 0) {
        return fail(fmt::format("cannot open a netlink socket: {}", nl_geterror(error)));
    }
    return socket;
}

}  // namespace fairlead::agent
