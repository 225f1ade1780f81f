#include "dp/base/notify.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dp/base/descriptor.h"

namespace fairlead {
namespace {

// What the service manager has said by this variable; nullopt: nothing.
std::optional<std::string_view> variable(const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): see header
    return value == nullptr ? std::nullopt : std::optional<std::string_view>(value);
}

// A variable that is a number and nothing else.
std::optional<std::uint64_t> number_in(const char* name) {
    const std::string_view text = variable(name).value_or("");
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional(number)
                                                                    : std::nullopt;
}

}  // namespace

std::optional<std::chrono::microseconds> watchdog_interval() {
    using std::chrono::microseconds;
    constexpr microseconds kLongest = std::chrono::years(1);
    const auto wanted = number_in("WATCHDOG_USEC");
    const auto process = number_in("WATCHDOG_PID");
    if (!wanted || *wanted == 0 || *wanted > static_cast<std::uint64_t>(kLongest.count()) ||
        (process && *process != static_cast<std::uint64_t>(::getpid()))) {
        return std::nullopt;
    }
    return microseconds(static_cast<std::int64_t>(*wanted));
}

void notify_service_manager(std::string_view state) {
    const std::string_view path = variable("NOTIFY_SOCKET").value_or("");
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
