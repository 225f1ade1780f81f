// Where each backend is reached: the port and the MAC address, as the kernel knows them, kept up to
// date.
//
// Interfaces, routes and neighbors are the kernel's; this class reads them and asks the kernel to
// keep the neighbors that are needed (traffic that bypasses it never refreshes them). A vdev port
// has no kernel behind it: its address, gateway and gateway_mac in the file stand in.
//
// Thread: the daemon's loop. Memory: the loop and the callback must outlive it.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conf/schema/config.h"
#include "ctl/loop/timer.h"
#include "ctl/loop/watch.h"
#include "ctl/neighbor/kernel.h"
#include "ctl/publish/publisher.h"

namespace fairlead::neighbor {

// The answer for one backend. Without a link, `problem` says why in a sentence.
struct Resolution {
    std::optional<publish::Link> link;
    std::string problem;
};

class NeighborTable {
  public:
    // Reads everything once. `on_change` is called from the loop when anything that may change an
    // answer has changed, at most every 10 ms. Error: netlink is not there.
    [[nodiscard]] static Result<std::unique_ptr<NeighborTable>> open(
        boost::asio::io_context& loop,
        std::vector<conf::PortConfig> ports,
        std::function<void()> on_change);

    // Ports in the order of the configuration.
    [[nodiscard]] std::vector<publish::DesiredPort> ports() const;
    // A sentence for each port that is not there or not up.
    [[nodiscard]] std::vector<std::string> problems() const;

    // How to reach a backend. `same_segment`: by `l2`, so only without a gateway. A neighbor that
    // is not known yet is asked for, and on_change tells when it answers.
    [[nodiscard]] Resolution resolve(const IpAddress& backend,
                                     const std::optional<MacAddress>& fixed_mac,
                                     bool same_segment);

  private:
    NeighborTable(boost::asio::io_context& loop,
                  std::unique_ptr<Kernel> kernel,
                  std::vector<conf::PortConfig> ports,
                  std::function<void()> on_change);
    void read_everything();
    void read_in(std::chrono::milliseconds delay);
    void on_notifications();
    [[nodiscard]] std::optional<Interface> interface_of(const conf::PortConfig& port) const;
    [[nodiscard]] std::optional<Resolution> resolve_on_vdev(
        const IpAddress& backend,
        const std::optional<MacAddress>& fixed_mac,
        bool same_segment) const;
    [[nodiscard]] Resolution resolve_by_kernel(const IpAddress& backend,
                                               const std::optional<MacAddress>& fixed_mac,
                                               bool same_segment);
    [[nodiscard]] Resolution resolve_neighbor(PortIndex port,
                                              const Interface& interface,
                                              const IpAddress& next_hop);

    std::unique_ptr<Kernel> kernel_;
    std::vector<conf::PortConfig> ports_;
    std::function<void()> on_change_;
    loop::Watch notifications_;
    loop::Timer soon_;
    bool is_reading_soon_ = false;
    bool more_than_neighbors_ = true;  // changed since the last reading
    std::vector<Interface> interfaces_;
    std::map<IpAddress, std::optional<Route>> routes_;  // as asked since the last change
    std::map<std::pair<int, IpAddress>, std::chrono::steady_clock::time_point> solicited_;
};

}  // namespace fairlead::neighbor
