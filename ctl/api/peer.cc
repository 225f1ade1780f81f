#include "ctl/api/peer.h"

#include <algorithm>
#include <vector>

#include <sys/socket.h>

namespace fairlead::api {
namespace {

constexpr unsigned kNobody = 65534;

std::vector<gid_t> groups_of(int socket) {
    std::vector<gid_t> groups(64);
    for (int attempt = 0; attempt < 2; ++attempt) {
        auto bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
        if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) == 0) {
            groups.resize(bytes / sizeof(gid_t));
            return groups;
        }
        groups.resize(bytes / sizeof(gid_t));  // ERANGE: now it says how many there are
    }
    return {};
}

}  // namespace

Caller caller_of(int socket, std::optional<gid_t> group) {
    ucred credentials{};
    socklen_t bytes = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0) {
        return {"unknown", false, kNobody};
    }
    Caller caller{"", credentials.uid == 0, credentials.uid};
    if (!caller.may_change && group) {
        const std::vector<gid_t> groups = groups_of(socket);
        caller.may_change = credentials.gid == *group ||
                            std::find(groups.begin(), groups.end(), *group) != groups.end();
    }
    return caller;
}

}  // namespace fairlead::api
