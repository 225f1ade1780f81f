// Which of the kernel's settings a host with VIPs on lo needs, and access to them under /proc/sys.
//
// Theory of operation. A VIP is an address of the backend, since its sockets answer from it, but on
// the segment it belongs to the balancer: the backend must not say that it has it. For IPv4 the
// kernel answers ARP for any local address on any interface unless told otherwise:
//   arp_ignore = 1    answers only for addresses of the interface that was asked
//   arp_announce = 2  never names the VIP as the sender of an ARP request, which hosts learn from
//   rp_filter = 2     (where it was 1) a client may be routed by another interface than the
//   balancer's
// The kernel takes the larger of `all` and the interface's own for each of them.
//
// Where the kernel itself takes tunnels apart, the client's packet arrives by the tunnel device,
// and the same holds for its rp_filter: 1 drops everything. So does 2, in silence, as long as the
// device has no IPv4 address: then the kernel has nothing to compare with and takes only 0. Which
// of the two the operator gives up, the check or the address, is his to say.
//
// IPv6 needs no setting. Neighbor solicitations are answered only for addresses of the very
// interface that was asked, and sent from such an address or the link-local one; a VIP on lo is
// neither.
//
// Names are paths below /proc/sys without the leading slash, since an interface's name may hold
// dots. /proc/sys/net shows the network namespace of the caller. No state; one thread at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "ctl/agent/tunnel_devices.h"
#include "dp/base/result.h"

namespace fairlead::agent {

class Sysctls {
  public:
    explicit Sysctls(std::filesystem::path root = "/proc/sys") : root_(std::move(root)) {}

    [[nodiscard]] Result<int> read(const std::string& name) const;
    [[nodiscard]] Status write(const std::string& name, int value) const;
    [[nodiscard]] bool exists(const std::string& name) const;

  private:
    std::filesystem::path root_;
};

struct SysctlChange {
    std::string name;
    int original = 0;
    int wanted = 0;
};

// The change of this setting; null if there is none.
[[nodiscard]] const SysctlChange* find_change(const std::vector<SysctlChange>& changes,
                                              const std::string& name);

using ReadSysctl = std::function<Result<int>(const std::string&)>;

// What has to change for VIPs on lo with traffic arriving at the interface, or by one of the tunnel
// devices. `read` tells a setting's value. What serves the purpose already is left alone.
[[nodiscard]] Result<std::vector<SysctlChange>> needed_changes(
    const std::string& interface_name,
    const std::vector<TunnelDevice>& tunnels,
    const ReadSysctl& read);

// What no change of needed_changes() mends: tunnel devices whose packets the kernel drops without a
// word, each in a sentence with what to do. Devices whose setting cannot be read are left out: they
// are about to go.
[[nodiscard]] std::vector<std::string> silent_tunnels(const std::vector<TunnelDevice>& tunnels,
                                                      const ReadSysctl& read);

}  // namespace fairlead::agent
