// What a backend that takes tunnels keeps on its interface: the program that unpacks them, and the
// one that lowers the MSS. Both stay when the process ends, until remove_other_tunnels(). One
// thread at a time.
#pragma once

#include <string>
#include <vector>

#include "bpf/loader/decap_loader.h"
#include "ctl/agent/drop_report.h"
#include "ctl/agent/mss_clamp.h"
#include "ctl/agent/settings.h"
#include "ctl/agent/watch_report.h"
#include "dp/base/result.h"

namespace fairlead::agent {

class Tunnels {
  public:
    // Takes over what an earlier run left on the interface, packet by packet, or attaches anew.
    // `pin_directory` is a bpffs; tunnels end at `endpoints`.
    [[nodiscard]] static Result<Tunnels> start(const Settings& settings,
                                               const std::vector<IpAddress>& endpoints,
                                               unsigned interface_index,
                                               const std::string& pin_directory);

    [[nodiscard]] Status set_endpoints(const std::vector<IpAddress>& endpoints);
    [[nodiscard]] Status follow_mtu() { return clamp_.follow_mtu(); }
    // Puts back what somebody has taken off the interface.
    void mend(WatchReport& report);

    // Logs what was dropped since the last time.
    void report_drops();
    void log_counters() const;

  private:
    Tunnels(DecapLoader decap, MssClamp clamp, const DecapCounters& before)
        : decap_(std::move(decap)), clamp_(std::move(clamp)), drops_(before) {}

    DecapLoader decap_;
    MssClamp clamp_;
    DropReport drops_;
};

// Deletes the pins of every interface but this one, and so takes its tunnel program off; an empty
// name keeps none.
void remove_other_tunnel_pins(const std::string& interface_name, const std::string& pin_directory);

}  // namespace fairlead::agent
