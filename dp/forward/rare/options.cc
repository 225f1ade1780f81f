#include "dp/forward/rare/options.h"

#include "dp/net/headers.h"

namespace fairlead {

DropReason check_options_v4(const std::uint8_t* ip, std::uint32_t header_bytes) noexcept {
    std::uint32_t at = sizeof(Ipv4Header);
    while (at < header_bytes) {
        const std::uint8_t type = ip[at];
        if (type == kIpOptionEnd) {
            break;
        }
        if (type == kIpOptionNop) {
            ++at;
            continue;
        }
        // The length counts type and itself.
        if (header_bytes - at < 2 || ip[at + 1] < 2 || ip[at + 1] > header_bytes - at) {
            return DropReason::kBadHeaderLength;
        }
        if (type == kIpOptionLooseRoute || type == kIpOptionStrictRoute) {
            return DropReason::kSourceRoute;
        }
        at += ip[at + 1];
    }
    return DropReason::kNone;
}

}  // namespace fairlead
