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
//  5. All of it outlives the process: only undo() takes it back, and a start takes back what its
//  settings no longer want.
// Example: arp_ignore is 0 and becomes 1; the program is killed; the next start finds 1, but the
// file says that it was 0, so 0 is what undo() brings back.
//
// One thread at a time; the caller holds the run directory's lock.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "ctl/agent/local_addresses.h"
#include "ctl/agent/netlink_socket.h"
#include "ctl/agent/settings.h"
#include "ctl/agent/state_file.h"
#include "ctl/agent/sysctl.h"
#include "ctl/agent/tunnel_devices.h"
#include "dp/base/result.h"

namespace fairlead::agent {

// Something that was not as the settings want it any more, and is again.
struct Mended {
    std::string what;    // "net/ipv4/conf/all/arp_ignore", or a VIP
    std::string detail;  // how it was found, and what was done
};

class HostSetup {
  public:
    // Reads the state file; changes nothing.
    [[nodiscard]] static Result<HostSetup> open(const std::filesystem::path& run_dir);

    // Whether an earlier run has left something on this host, which this one takes over.
    [[nodiscard]] bool is_taken_over() const { return is_taken_over_; }

    // Makes the host what the settings want, whatever an earlier run left. After an error the host
    // is as it was as far as that is possible; what was taken over stays.
    [[nodiscard]] Status apply(const Settings& settings);

    // Sets again what somebody has changed since apply(), and what has become necessary: the
    // devices are of now. What serves the purpose otherwise is left alone.
    [[nodiscard]] Result<std::vector<Mended>> mend_sysctls(
        const Settings& settings, const std::vector<TunnelDevice>& tunnels);
    // Puts VIPs back that somebody has taken off lo. Error: one is on another interface too.
    [[nodiscard]] Result<std::vector<Mended>> mend_vips(const Settings& settings,
                                                        const std::vector<LocalAddress>& present);
    // The interface is another one of this name: what its own settings were before is not known
    // yet.
    void forget_interface(const std::string& interface_name);

    // A bpffs at pin_directory(), mounted if there is none.
    [[nodiscard]] Status prepare_pins();
    [[nodiscard]] std::string pin_directory() const { return pin_directory_; }

    // Takes everything back and deletes the state file. What cannot be taken back is reported and
    // stays in the file. The pins are gone before.
    [[nodiscard]] Status undo();

    [[nodiscard]] Result<std::vector<LocalAddress>> addresses() const { return addresses_.list(); }
    // The kernel's tunnel devices by which packets for the VIPs may come: none where the program
    // takes the tunnels, or where no VIP is of IPv4.
    [[nodiscard]] Result<std::vector<TunnelDevice>> kernel_tunnels(
        const Settings& settings, const std::vector<LocalAddress>& present) const;
    [[nodiscard]] const Sysctls& sysctls() const { return sysctls_; }

  private:
    HostSetup(LocalAddresses addresses,
              NetlinkSocket links,
              const std::filesystem::path& run_dir,
              StateFile file)
        : addresses_(std::move(addresses)),
          links_(std::move(links)),
          pin_directory_(run_dir / "bpf"),
          file_(std::move(file)) {}

    [[nodiscard]] Status apply_all(const Settings& settings);
    [[nodiscard]] Result<int> original_value(const std::string& name) const;
    [[nodiscard]] Status check_vips_elsewhere(const Settings& settings,
                                              const std::vector<LocalAddress>& present) const;
    [[nodiscard]] Status undo_unwanted(const std::vector<SysctlChange>& wanted,
                                       const Settings& settings);
    [[nodiscard]] Status undo_sysctl(const SysctlChange& change) const;

    Sysctls sysctls_;
    LocalAddresses addresses_;
    NetlinkSocket links_;
    std::string pin_directory_;
    StateFile file_;
    State state_;
    bool is_taken_over_ = false;
};

// The addresses at which tunnels to this host can end: its own, but for loopback, link-local ones
// and VIPs.
[[nodiscard]] std::vector<IpAddress> tunnel_endpoints(const Settings& settings,
                                                      const std::vector<LocalAddress>& present);

}  // namespace fairlead::agent
