#include "ctl/agent/privilege.h"

#include <array>

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace fairlead::agent {

Status check_privilege() {
    __user_cap_header_struct header{};
    header.version = _LINUX_CAPABILITY_VERSION_3;
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
    // glibc has no wrapper for it (capget(2)).
    if (syscall(SYS_capget, &header, data.data()) != 0 ||
        (data[0].effective & (1U << CAP_NET_ADMIN)) == 0) {
        return fail(
            "lbagent changes addresses, kernel settings and BPF programs: run it as root, or with "
            "CAP_NET_ADMIN and CAP_BPF");
    }
    return {};
}

}  // namespace fairlead::agent
