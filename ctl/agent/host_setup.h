// Brings a host into the state that its VIPs need, and back again.
//
// Theory of operation. There are three lists: what the settings want, what the state file says was
// done before, and what the host has now. Rules:
//  1. The state file names a change before the change is made.
//  2. A setting's original value is the one from before the first change, also over crashes: what
//  the state file
//     says wins over what the host shows.
//  3. Only what this program did is undone: a VIP that was on lo before stays, and a setting that
//  somebody has
//     changed since stays as he left it.
//  4. Settings come before VIPs and go after them, so that a VIP is never announced.
// Example: arp_ignore is 0 and becomes 1; the program is killed; the next start finds 1, but the
// file says that it was 0, so 0 is what an orderly end brings back.
//
// One thread at a time; the caller holds the run directory's lock.
#pragma once

#include <vector>

#include "ctl/agent/local_addresses.h"
#include "ctl/agent/settings.h"
#include "ctl/agent/state_file.h"
#include "ctl/agent/sysctl.h"
#include "dp/base/result.h"

namespace fairlead::agent {

class HostSetup {
  public:
    // Reads the state file; changes nothing.
    [[nodiscard]] static Result<HostSetup> open(const std::filesystem::path& run_dir);

    // Makes the host what the settings want, whatever an earlier run left. After an error the host
    // is as it was as far as that is possible.
    [[nodiscard]] Status apply(const Settings& settings);
    // Puts back VIPs that somebody has taken off lo since apply().
    [[nodiscard]] Status restore_missing_vips(const Settings& settings);
    // Takes everything back and deletes the state file. What cannot be taken back is reported and
    // stays in the file.
    [[nodiscard]] Status undo();

    // The addresses at which tunnels to this host can end: its own, but for loopback, link-local
    // ones and VIPs.
    [[nodiscard]] Result<std::vector<IpAddress>> tunnel_endpoints(const Settings& settings) const;

  private:
    HostSetup(LocalAddresses addresses, StateFile file, State state)
        : addresses_(std::move(addresses)), file_(std::move(file)), state_(std::move(state)) {}

    [[nodiscard]] Status apply_all(const Settings& settings);
    [[nodiscard]] Result<int> original_value(const std::string& name) const;
    [[nodiscard]] Status check_vips_elsewhere(const Settings& settings,
                                              const std::vector<LocalAddress>& present) const;
    [[nodiscard]] Status undo_unwanted(const std::vector<SysctlChange>& wanted,
                                       const Settings& settings);
    [[nodiscard]] Status undo_sysctl(const SysctlChange& change) const;

    Sysctls sysctls_;
    LocalAddresses addresses_;
    StateFile file_;
    State state_;
};

}  // namespace fairlead::agent
