// lbagent between its setup and its end: keeps the host as the settings want it.
//
// Theory of operation. It looks again at every change of which the kernel tells (addresses,
// interfaces, rp_filter) and once a second, since of other settings and of programs on the
// interface it does not. What somebody has changed is set again and told (watch_report.h); what
// cannot be is a problem that is told, and tried again at the next look. Two looks are kShortest
// apart at least, so that a fight with another program takes no CPU of its own. An interface that
// goes is waited for: the next one of its name is set up like the first.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "ctl/agent/host_setup.h"
#include "ctl/agent/settings.h"
#include "ctl/agent/tunnel_devices.h"
#include "ctl/agent/tunnels.h"
#include "ctl/agent/watch_report.h"

namespace fairlead::agent {

class Watch {
  public:
    // All of them outlive this object. `tunnels` has something if and only if the settings take
    // tunnels.
    Watch(const Settings& settings,
          HostSetup& host,
          std::optional<Tunnels>& tunnels,
          unsigned interface_index)
        : settings_(settings), host_(host), tunnels_(tunnels), interface_index_(interface_index) {}

    // Until a signal ends it. `signal_fd` is a signalfd. Returns the exit code.
    [[nodiscard]] int run(int signal_fd, HostEvents& events);

  private:
    using Clock = WatchReport::Clock;

    [[nodiscard]] bool goes_on_after_signal(int signal_fd);
    void look();
    [[nodiscard]] bool follow_interface();
    void follow_addresses();
    void start_tunnels(const std::vector<LocalAddress>& present);
    void mend_sysctls();
    void tell_mended(const std::string& what, const Result<std::vector<Mended>>& mended);
    void tell(const std::string& what, const Status& status);
    void log_report();

    const Settings& settings_;
    HostSetup& host_;
    std::optional<Tunnels>& tunnels_;
    unsigned interface_index_;
    std::vector<TunnelDevice> kernel_tunnels_;
    bool has_news_ = true;  // of addresses or interfaces, since they were last read
    WatchReport report_;
};

}  // namespace fairlead::agent
