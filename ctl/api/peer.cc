#include "ctl/api/peer.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>

namespace fairlead::api {
namespace {

constexpr std::size_t kRecordBytes = 16384;  // of one entry of the user or group database

std::string name_of(uid_t uid) {
    std::vector<char> buffer(kRecordBytes);
    passwd record{};
    passwd* found = nullptr;
    std::string number = "uid " + std::to_string(uid);
    if (::getpwuid_r(uid, &record, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
        return number;
    }
    return std::string(record.pw_name) + " (" + number + ")";
}

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

std::optional<gid_t> find_group(const char* name) {
    std::vector<char> buffer(kRecordBytes);
    group record{};
    group* found = nullptr;
    if (::getgrnam_r(name, &record, buffer.data(), buffer.size(), &found) != 0 ||
        found == nullptr) {
        return std::nullopt;
    }
    return record.gr_gid;
}

Caller caller_of(int socket, std::optional<gid_t> group) {
    ucred credentials{};
    socklen_t bytes = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0) {
        return {"unknown", false};
    }
    Caller caller{name_of(credentials.uid), credentials.uid == 0};
    if (!caller.may_change && group) {
        const std::vector<gid_t> groups = groups_of(socket);
        caller.may_change = credentials.gid == *group ||
                            std::find(groups.begin(), groups.end(), *group) != groups.end();
    }
    return caller;
}

}  // namespace fairlead::api
