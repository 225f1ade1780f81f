#include "conf/schema/service_key.h"

#include <algorithm>

#include <fmt/format.h>

namespace fairlead::conf {

PortScope scope_of(const ServiceConfig& service) noexcept {
    if (service.port == 0) {
        return PortScope::kAny;
    }
    return service.last_port == 0 ? PortScope::kOne : PortScope::kRange;
}

bool share_a_port(const ServiceConfig& one, const ServiceConfig& other) noexcept {
    if (one.vip != other.vip || one.protocol != other.protocol) {
        return false;
    }
    return one.port == 0 || other.port == 0 ||
           (one.port <= std::max(other.port, other.last_port) &&
            other.port <= std::max(one.port, one.last_port));
}

std::string vip_text(const ServiceConfig& service) {
    const auto address = service.vip.text();
    const std::string host =
        service.vip.is_v4() ? address.data() : fmt::format("[{}]", address.data());
    switch (scope_of(service)) {
        case PortScope::kOne:
            return fmt::format("{}:{}", host, service.port);
        case PortScope::kRange:
            return fmt::format("{}:{}-{}", host, service.port, service.last_port);
        case PortScope::kAny:
            break;
    }
    return fmt::format("{}:any", host);
}

std::uint8_t source_prefix_bits(const ServiceConfig& service) noexcept {
    if (service.hash == Hash::k5Tuple) {
        return 0;
    }
    constexpr std::uint8_t kWholeV4 = 32;
    constexpr std::uint8_t kNetworkV6 = 64;
    return service.source_prefix.value_or(service.vip.is_v4() ? kWholeV4 : kNetworkV6);
}

std::string hash_text(const ServiceConfig& service) {
    const std::uint8_t bits = source_prefix_bits(service);
    return bits == 0 ? "5tuple" : fmt::format("source/{}", bits);
}

}  // namespace fairlead::conf
