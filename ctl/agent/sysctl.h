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

// What has to change for VIPs on lo with traffic arriving at the interface. `original` tells a
// setting's value before this program ever touched it. What serves the purpose already is left
// alone.
[[nodiscard]] Result<std::vector<SysctlChange>> needed_changes(
    const std::string& interface_name,
    const std::function<Result<int>(const std::string&)>& original);

}  // namespace fairlead::agent
