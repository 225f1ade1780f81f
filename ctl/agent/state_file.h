// What lbagent changed on this host, kept in a file so that whatever ends the program, the next
// start or `lbagent --remove` knows what to take back.
//
// The file is written before the change that it tells of: it may name a change that was never made,
// never the other way round. It is replaced atomically. A file from before a reboot or from another
// network namespace speaks of settings that are gone, and its `host` says so.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ctl/agent/sysctl.h"
#include "dp/base/result.h"
#include "dp/net/ip_address.h"

namespace fairlead::agent {

// The boot and the network namespace that settings belong to.
struct HostIdentity {
    std::string boot_id;
    std::uint64_t network_namespace = 0;

    friend bool operator==(const HostIdentity&, const HostIdentity&) = default;
};
[[nodiscard]] Result<HostIdentity> current_host();

struct State {
    HostIdentity host;
    std::vector<SysctlChange> sysctls;
    std::vector<IpAddress> vips;  // those that this program added to lo

    // Whether this program mounted the bpffs of its pins.
    bool has_mounted_pins = false;

    [[nodiscard]] bool has_added(const IpAddress& vip) const {
        return std::find(vips.begin(), vips.end(), vip) != vips.end();
    }
    [[nodiscard]] bool empty() const {
        return sysctls.empty() && vips.empty() && !has_mounted_pins;
    }
};

class StateFile {
  public:
    explicit StateFile(std::filesystem::path path) : path_(std::move(path)) {}

    // Nothing if there is no file. A damaged one is an error that names it.
    [[nodiscard]] Result<std::optional<State>> load() const;
    // When this returns success the state is on disk.
    [[nodiscard]] Status save(const State& state) const;
    [[nodiscard]] Status remove() const;

  private:
    std::filesystem::path path_;
};

}  // namespace fairlead::agent
