// Who is on the other end of the Unix socket.
#pragma once

#include <optional>

#include <sys/types.h>

#include "ctl/api/message.h"

namespace fairlead::api {

// By SO_PEERCRED and SO_PEERGROUPS (unix(7)): as the caller was when it connected, without its
// name. Root and members of `group` may change.
[[nodiscard]] Caller caller_of(int socket, std::optional<gid_t> group);

}  // namespace fairlead::api
