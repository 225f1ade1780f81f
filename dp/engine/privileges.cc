#include "dp/engine/privileges.h"

#include <array>
#include <string>
#include <utility>

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fairlead::engine {
namespace {

// Effective capabilities of this thread, as capget(2) has them.
std::uint64_t effective_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
    if (::syscall(SYS_capget, &header, data.data()) != 0) {
        return 0;
    }
    return std::uint64_t{data[1].effective} << 32U | data[0].effective;
}

}  // namespace

Status prepare_for_interfaces() {
    constexpr std::array kNeeded = {std::pair{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
                                    std::pair{CAP_NET_RAW, "CAP_NET_RAW"},
                                    std::pair{CAP_BPF, "CAP_BPF"},
                                    std::pair{CAP_IPC_LOCK, "CAP_IPC_LOCK"}};
    const std::uint64_t have = effective_capabilities();
    std::string missing;
    for (const auto& [number, name] : kNeeded) {
        // CAP_SYS_ADMIN stands in for CAP_BPF on older kernels.
        const bool is_covered = number == CAP_BPF && (have >> CAP_SYS_ADMIN & 1U) != 0;
        if ((have >> static_cast<unsigned>(number) & 1U) == 0 && !is_covered) {
            missing += (missing.empty() ? "" : ", ") + std::string(name);
        }
    }
    if (!missing.empty()) {
        return fail("a port on a kernel interface needs " + missing +
                    "; run lbdp as root, or name them in the unit's AmbientCapabilities=");
    }
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    (void)::setrlimit(RLIMIT_MEMLOCK, &unlimited);  // refused: CAP_IPC_LOCK does
    return {};
}

}  // namespace fairlead::engine
