// Keeps the MSS that this host's SYN-ACKs offer within what the tunnels carry.
//
// Without it a client on a path of 1,500 bytes sends segments that the balancer cannot put into a
// tunnel of the same MTU, and learns it by Packet Too Big, if that reaches it. One thread at a
// time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "bpf/loader/clamp_loader.h"
#include "ctl/agent/settings.h"
#include "dp/base/result.h"

namespace fairlead::agent {

// What a tunnel of this overhead carries over a path of this MTU: less the headers of IP and TCP
// without options, which the MSS does not count (RFC 9293, 3.7.1; RFC 6691, 2). An `mss` of the
// operator's is IPv4's, and IPv6's is 20 less by its larger header. Never 0.
[[nodiscard]] clamp_mss mss_limits(std::uint32_t mtu_bytes,
                                   std::uint32_t overhead_bytes,
                                   std::optional<unsigned> mss);

// The most that a tunnel from one of these balancers adds: GUE over the larger of their families.
[[nodiscard]] std::uint32_t largest_overhead(const Settings& settings);

class MssClamp {
  public:
    // Loads the program and attaches it, in place of what an earlier run left there. The counters
    // are pinned in `pin_directory`.
    [[nodiscard]] static Result<MssClamp> start(const Settings& settings,
                                                unsigned interface_index,
                                                std::span<const decap_address> vips,
                                                const std::string& pin_directory);

    // Looks at the interface's MTU again.
    [[nodiscard]] Status follow_mtu();
    // See ClampLoader.
    [[nodiscard]] Result<bool> mend() { return loader_.mend(); }
    void log_counters() const;

  private:
    MssClamp(const Settings& settings, ClampLoader loader)
        : interface_name_(settings.interface_name),
          mss_(settings.mss),
          overhead_bytes_(largest_overhead(settings)),
          loader_(std::move(loader)) {}

    std::string interface_name_;
    std::optional<unsigned> mss_;
    std::uint32_t overhead_bytes_;
    clamp_mss limits_{};
    ClampLoader loader_;
};

// Takes the program off every interface of this network namespace but `kept`; 0 keeps none.
void remove_other_clamps(unsigned kept);

}  // namespace fairlead::agent
