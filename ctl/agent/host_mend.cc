// What a running agent puts right on its host: the second part of host_setup.h.
#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <unistd.h>

#include "bpf/loader/pin_directory.h"
#include "ctl/agent/host_setup.h"
#include "dp/base/log.h"

namespace fairlead::agent {
namespace {

bool is_link_local(const IpAddress& address) {
    if (address.is_v4()) {
        return address.v4().host() >> 16U == 0xA9FE;
    }
    return address.bytes()[0] == 0xFE && (address.bytes()[1] & 0xC0U) == 0x80;
}

// A mount that is made in a mount namespace of the process's own goes with it.
bool is_in_own_mount_namespace() {
    std::error_code error;
    const auto ours = std::filesystem::read_symlink("/proc/self/ns/mnt", error);
    const auto first = std::filesystem::read_symlink("/proc/1/ns/mnt", error);
    return !error && ours != first;
}

}  // namespace

Result<std::vector<Mended>> HostSetup::mend_sysctls(const Settings& settings,
                                                    const std::vector<TunnelDevice>& tunnels) {
    const Result<std::vector<SysctlChange>> needed =
        needed_changes(settings.interface_name, tunnels, [this](const std::string& name) {
            return sysctls_.read(name);
        });
    if (!needed) {
        return fail(needed.error().message);
    }
    std::vector<Mended> mended;
    for (const SysctlChange& change : *needed) {
        if (find_change(state_.sysctls, change.name) == nullptr) {
            state_.sysctls.push_back(change);
            if (Status status = file_.save(state_); !status) {
                state_.sysctls.pop_back();
                return fail(status.error().message);
            }
        }
        if (Status status = sysctls_.write(change.name, change.wanted); !status) {
            return fail(status.error().message);
        }
        mended.push_back(
            {change.name, fmt::format("was {}, is {}", change.original, change.wanted)});
    }
    return mended;
}

Result<std::vector<Mended>> HostSetup::mend_vips(const Settings& settings,
                                                 const std::vector<LocalAddress>& present) {
    std::vector<Mended> mended;
    for (const IpAddress& vip : settings.vips) {
        if (is_on(present, vip, addresses_.loopback_index())) {
            continue;
        }
        if (!state_.has_added(vip)) {
            state_.vips.push_back(vip);
            if (Status status = file_.save(state_); !status) {
                state_.vips.pop_back();
                return fail(status.error().message);
            }
        }
        if (Status status = addresses_.add_to_loopback(vip); !status) {
            return fail(status.error().message);
        }
        mended.push_back({vip.text().data(), "was not on lo, is added"});
    }
    if (Status status = check_vips_elsewhere(settings, present); !status) {
        return fail(status.error().message);
    }
    return mended;
}

void HostSetup::forget_interface(const std::string& interface_name) {
    const std::string own = fmt::format("net/ipv4/conf/{}/", interface_name);
    std::erase_if(state_.sysctls,
                  [&](const SysctlChange& change) { return change.name.starts_with(own); });
}

Status HostSetup::prepare_pins() {
    if (is_pin_directory(pin_directory_)) {
        return {};
    }
    state_.has_mounted_pins = true;
    if (Status status = file_.save(state_); !status) {
        return status;
    }
    if (is_in_own_mount_namespace()) {
        log_warning("pins-go-with-mount-namespace",
                    {{"directory", pin_directory_},
                     {"meaning",
                      "tunnels end when this process does, also for a restart; mount a bpffs there "
                      "before, outside of this mount namespace"}});
    }
    return prepare_pin_directory(pin_directory_);
}

Result<std::vector<TunnelDevice>> HostSetup::kernel_tunnels(
    const Settings& settings, const std::vector<LocalAddress>& present) const {
    const bool has_v4 = std::any_of(settings.vips.begin(),
                                    settings.vips.end(),
                                    [](const IpAddress& vip) { return vip.is_v4(); });
    if (settings.takes_tunnels() || !has_v4) {
        return std::vector<TunnelDevice>();
    }
    return list_tunnel_devices(links_, present);
}

std::vector<IpAddress> tunnel_endpoints(const Settings& settings,
                                        const std::vector<LocalAddress>& present) {
    std::vector<IpAddress> endpoints;
    for (const LocalAddress& local : present) {
        const IpAddress& address = local.address;
        const bool is_loopback = address.is_v4() ? address.v4().host() >> 24U == 127
                                                 : address == *IpAddress::parse("::1");
        if (!is_loopback && !is_link_local(address) && !settings.has_vip(address) &&
            std::find(endpoints.begin(), endpoints.end(), address) == endpoints.end()) {
            endpoints.push_back(address);
        }
    }
    return endpoints;
}

}  // namespace fairlead::agent
