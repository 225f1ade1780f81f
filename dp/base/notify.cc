#include "dp/base/notify.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>

#include <sys/socket.h>
#include <sys/un.h>

#include "dp/base/descriptor.h"

namespace fairlead {

void notify_service_manager(std::string_view state) {
    const char* path_text =
        std::getenv("NOTIFY_SOCKET");  // NOLINT(concurrency-mt-unsafe): see header
    if (path_text == nullptr) {
        return;
    }
    const std::string_view path = path_text;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // A path, or '@' for an abstract name, whose first byte is NUL.
    if (path.size() < 2 || path.size() >= sizeof address.sun_path ||
        (path.front() != '/' && path.front() != '@')) {
        return;
    }
    std::copy(path.begin(), path.end(), std::begin(address.sun_path));
    if (path.front() == '@') {
        address.sun_path[0] = '\0';
    }
    const Descriptor manager(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!manager.is_open()) {
        return;
    }
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    // The socket interface takes any address type by its first member.
    const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    (void)sendto(manager.get(), state.data(), state.size(), MSG_NOSIGNAL, generic, length);
}

}  // namespace fairlead
