#include "ctl/agent/mss_clamp.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "dp/base/descriptor.h"
#include "dp/base/error_text.h"
#include "dp/base/log.h"
#include "dp/forward/path/tunnel.h"

namespace fairlead::agent {
namespace {

constexpr std::uint32_t kV4Headers = sizeof(Ipv4Header) + sizeof(TcpHeader);
constexpr std::uint32_t kV6Headers = sizeof(Ipv6Header) + sizeof(TcpHeader);
constexpr std::uint32_t kLargestMss = 0xFFFF;

Result<std::uint32_t> mtu_of(const std::string& interface_name) {
    const Descriptor asker(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    interface_name.copy(&request.ifr_name[0], IFNAMSIZ - 1);
    if (!asker.is_open() || ioctl(asker.get(), SIOCGIFMTU, &request) != 0) {
        return fail(
            fmt::format("cannot read the MTU of {}: {}", interface_name, error_text(errno)));
    }
    return static_cast<std::uint32_t>(request.ifr_mtu);
}

std::uint16_t segment(std::uint32_t packet_bytes, std::uint32_t header_bytes) {
    const std::uint32_t left = packet_bytes > header_bytes ? packet_bytes - header_bytes : 1;
    return static_cast<std::uint16_t>(std::min(left, kLargestMss));
}

}  // namespace

clamp_mss mss_limits(std::uint32_t mtu_bytes,
                     std::uint32_t overhead_bytes,
                     std::optional<unsigned> mss) {
    const std::uint32_t packet_bytes =
        mss ? *mss + kV4Headers : mtu_bytes - std::min(mtu_bytes, overhead_bytes);
    return {segment(packet_bytes, kV4Headers), segment(packet_bytes, kV6Headers)};
}

std::uint32_t largest_overhead(const Settings& settings) {
    const bool has_v6 = std::any_of(
        settings.balancers.begin(), settings.balancers.end(), [](const AddressPrefix& balancer) {
            return !balancer.address.is_v4();
        });
    return tunnel_overhead(shm::ForwardingMode::kGue, has_v6);
}

Result<MssClamp> MssClamp::start(const Settings& settings,
                                 unsigned interface_index,
                                 std::span<const decap_address> vips,
                                 const std::string& pin_directory) {
    Result<ClampLoader> loader = ClampLoader::load(vips, pin_directory, settings.interface_name);
    if (!loader) {
        return fail(loader.error().message);
    }
    MssClamp clamp(settings, std::move(*loader));
    if (Status status = clamp.follow_mtu(); !status) {
        return fail(status.error().message);
    }
    if (Status status = clamp.loader_.attach(interface_index); !status) {
        return fail(fmt::format("{}: {}", settings.interface_name, status.error().message));
    }
    return clamp;
}

Status MssClamp::follow_mtu() {
    const Result<std::uint32_t> mtu = mtu_of(interface_name_);
    if (!mtu) {
        return fail(mtu.error().message);
    }
    const clamp_mss limits = mss_limits(*mtu, overhead_bytes_, mss_);
    if (limits.ipv4 == limits_.ipv4 && limits.ipv6 == limits_.ipv6) {
        return {};
    }
    Status status = loader_.set_mss(limits);
    if (status) {
        limits_ = limits;
        log_info("mss-limit",
                 {{"interface", interface_name_}, {"ipv4", limits.ipv4}, {"ipv6", limits.ipv6}});
    }
    return status;
}

void MssClamp::log_counters() const {
    const Result<ClampCounters> counters = loader_.counters();
    if (!counters) {
        return;
    }
    for (std::size_t index = 0; index < counters->size(); ++index) {
        log_info("syn-acks",
                 {{"outcome", clamp_outcome_name(static_cast<clamp_outcome>(index))},
                  {"packets", counters->at(index)}});
    }
}

void remove_other_clamps(unsigned kept) {
    struct Deleter {
        void operator()(struct if_nameindex* list) const { if_freenameindex(list); }
    };
    const std::unique_ptr<struct if_nameindex, Deleter> all(if_nameindex());
    for (const struct if_nameindex* one = all.get(); one != nullptr && one->if_index != 0; ++one) {
        if (one->if_index != kept && ClampLoader::remove(one->if_index)) {
            log_info("mss-clamp-removed", {{"interface", std::string(one->if_name)}});
        }
    }
}

}  // namespace fairlead::agent
