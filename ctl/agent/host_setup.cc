#include "ctl/agent/host_setup.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <net/if.h>

#include "bpf/loader/pin_directory.h"
#include "dp/base/log.h"

namespace fairlead::agent {
namespace {

std::string interface_name(unsigned index) {
    std::array<char, IF_NAMESIZE> name{};
    return if_indextoname(index, name.data()) != nullptr ? name.data() : std::to_string(index);
}

}  // namespace

Result<HostSetup> HostSetup::open(const std::filesystem::path& run_dir) {
    Result<LocalAddresses> addresses = LocalAddresses::open();
    if (!addresses) {
        return fail(addresses.error().message);
    }
    const Result<HostIdentity> host = current_host();
    if (!host) {
        return fail(host.error().message);
    }
    Result<NetlinkSocket> links = open_netlink_socket();
    if (!links) {
        return fail(links.error().message);
    }
    StateFile file(run_dir / "lbagent.state");
    Result<std::optional<State>> loaded = file.load();
    if (!loaded) {
        return fail(loaded.error().message);
    }
    HostSetup setup(std::move(*addresses), std::move(*links), run_dir, std::move(file));
    setup.state_.host = *host;
    if (*loaded && (*loaded)->host == *host) {
        setup.state_ = std::move(**loaded);
        setup.is_taken_over_ = true;
    } else if (*loaded) {
        setup.state_.has_mounted_pins =
            (*loaded)->has_mounted_pins && (*loaded)->host.boot_id == host->boot_id;
        log_info("old-state-ignored",
                 {{"reason", "from before a reboot or from another network namespace"}});
    }
    return setup;
}

Status HostSetup::apply(const Settings& settings) {
    Status applied = apply_all(settings);
    if (!applied && !is_taken_over_) {
        if (const Status undone = undo(); !undone) {
            log_error("undo-failed", {{"reason", undone.error().message}});
        }
    }
    return applied;
}

Status HostSetup::apply_all(const Settings& settings) {
    const Result<std::vector<LocalAddress>> present = addresses_.list();
    if (!present) {
        return fail(present.error().message);
    }
    if (Status status = check_vips_elsewhere(settings, *present); !status) {
        return status;
    }
    const Result<std::vector<TunnelDevice>> tunnels = kernel_tunnels(settings, *present);
    if (!tunnels) {
        return fail(tunnels.error().message);
    }
    const Result<std::vector<SysctlChange>> wanted =
        needed_changes(settings.interface_name, *tunnels, [this](const std::string& name) {
            return original_value(name);
        });
    if (!wanted) {
        return fail(wanted.error().message);
    }
    if (Status status = undo_unwanted(*wanted, settings); !status) {
        return status;
    }
    state_.sysctls = *wanted;
    for (const IpAddress& vip : settings.vips) {
        if (!is_on(*present, vip, addresses_.loopback_index()) && !state_.has_added(vip)) {
            state_.vips.push_back(vip);
        }
    }
    if (Status status = file_.save(state_); !status) {
        return status;
    }
    for (const SysctlChange& change : state_.sysctls) {
        if (Status status = sysctls_.write(change.name, change.wanted); !status) {
            return status;
        }
        log_info("sysctl-set",
                 {{"name", change.name}, {"value", change.wanted}, {"original", change.original}});
    }
    for (const IpAddress& vip : settings.vips) {
        if (Status status = addresses_.add_to_loopback(vip); !status) {
            return status;
        }
        log_info("vip-added", {{"vip", vip.text().data()}, {"was_there", !state_.has_added(vip)}});
    }
    return {};
}

Status HostSetup::undo() {
    Status result;
    State remaining;
    remaining.host = state_.host;
    if (state_.has_mounted_pins) {
        if (Status status = release_pin_directory(pin_directory_); !status) {
            remaining.has_mounted_pins = true;
            result = std::move(status);
        }
    }
    for (const IpAddress& vip : state_.vips) {
        if (Status status = addresses_.remove_from_loopback(vip); !status) {
            remaining.vips.push_back(vip);
            result = std::move(status);
        } else {
            log_info("vip-removed", {{"vip", vip.text().data()}});
        }
    }
    for (const SysctlChange& change : state_.sysctls) {
        if (Status status = undo_sysctl(change); !status) {
            remaining.sysctls.push_back(change);
            result = std::move(status);
        }
    }
    state_ = std::move(remaining);
    Status kept = state_.empty() ? file_.remove() : file_.save(state_);
    return result ? std::move(kept) : std::move(result);
}

Result<int> HostSetup::original_value(const std::string& name) const {
    const SysctlChange* done = find_change(state_.sysctls, name);
    return done != nullptr ? Result<int>(done->original) : sysctls_.read(name);
}

Status HostSetup::check_vips_elsewhere(const Settings& settings,
                                       const std::vector<LocalAddress>& present) const {
    for (const LocalAddress& local : present) {
        if (local.interface_index != addresses_.loopback_index() &&
            settings.has_vip(local.address)) {
            return fail(
                fmt::format("{0} is an address of {1}, which would answer for it on the segment; "
                            "remove it there "
                            "(ip address del {0}/{2} dev {1})",
                            local.address.text().data(),
                            interface_name(local.interface_index),
                            local.prefix_bits));
        }
    }
    return {};
}

Status HostSetup::undo_unwanted(const std::vector<SysctlChange>& wanted, const Settings& settings) {
    for (const IpAddress& vip : state_.vips) {
        if (settings.has_vip(vip)) {
            continue;
        }
        if (Status status = addresses_.remove_from_loopback(vip); !status) {
            return status;
        }
        log_info("vip-removed", {{"vip", vip.text().data()}, {"reason", "no longer asked for"}});
    }
    std::erase_if(state_.vips, [&](const IpAddress& vip) { return !settings.has_vip(vip); });
    for (const SysctlChange& change : state_.sysctls) {
        if (find_change(wanted, change.name) != nullptr) {
            continue;
        }
        if (Status status = undo_sysctl(change); !status) {
            return status;
        }
    }
    return {};
}

Status HostSetup::undo_sysctl(const SysctlChange& change) const {
    if (!sysctls_.exists(change.name)) {
        return {};  // Its interface is gone.
    }
    const Result<int> current = sysctls_.read(change.name);
    if (!current) {
        return fail(current.error().message);
    }
    if (*current != change.wanted) {
        log_info(
            "sysctl-left-alone",
            {{"name", change.name}, {"value", *current}, {"reason", "changed by somebody else"}});
        return {};
    }
    Status written = sysctls_.write(change.name, change.original);
    if (written) {
        log_info("sysctl-restored", {{"name", change.name}, {"value", change.original}});
    }
    return written;
}

}  // namespace fairlead::agent
