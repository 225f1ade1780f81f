// Where each backend is reached: the port and the MAC address, as the kernel knows them, kept up to
// date.
//
// Interfaces, routes and neighbors are the kernel's; this class follows its events, so that each
// costs what hangs on it and no more, and asks it to keep the neighbors that are needed (traffic
// that bypasses it never refreshes them). A vdev port has no kernel behind it: its address, gateway
// and gateway_mac in the file stand in.
//
// Thread: the daemon's loop. Memory: the loop and the callback must outlive it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "conf/schema/config.h"
#include "ctl/loop/timer.h"
#include "ctl/loop/watch.h"
#include "ctl/neighbor/interface_table.h"
#include "ctl/neighbor/kernel.h"
#include "ctl/neighbor/next_hops.h"
#include "ctl/neighbor/port_interfaces.h"
#include "ctl/neighbor/port_sources.h"
#include "ctl/neighbor/route_table.h"
#include "ctl/publish/publisher.h"

namespace fairlead::neighbor {

// The answer for one backend. Without a link, `problem` says why in a sentence.
struct Resolution {
    std::optional<publish::Link> link;
    std::string problem;
    bool is_lost = false;  // it has not answered for so long that the last known link is void
    friend bool operator==(const Resolution&, const Resolution&) = default;
};

// What the kernel was asked and why: for metrics.
struct KernelTraffic {
    std::uint64_t route_queries = 0;
    std::uint64_t neighbor_queries = 0;
    std::uint64_t rereads = 0;  // of everything, because events were lost
};

class NeighborTable {
  public:
    // Reads the interfaces once. `on_change` is called from the loop when an answer, or what is
    // published of a port, has changed, at most every 10 ms. Error: netlink is not there.
    [[nodiscard]] static Result<std::unique_ptr<NeighborTable>> open(
        boost::asio::io_context& loop,
        std::vector<conf::PortConfig> ports,
        std::function<void()> on_change);

    // What the tunnels of a port came from under an earlier daemon, before the first resolve(): it
    // stays while the host has it.
    void keep_tunnel_source(std::string_view port, const IpAddress& source);
    // Ports in the order of the configuration.
    [[nodiscard]] const std::vector<publish::DesiredPort>& ports() const { return desired_; }
    // Of each port that is not there, not up or called otherwise, and what is wrong with its
    // tunnels.
    [[nodiscard]] std::vector<PortProblem> problems(const EngineInterfaces& engines) const;

    // How to reach a backend. `same_segment`: by `l2`, so only without a gateway. A neighbor that
    // is not known yet is asked for, and on_change tells when it answers.
    const Resolution& resolve(const IpAddress& backend,
                              const std::optional<MacAddress>& fixed_mac,
                              bool same_segment);
    // What resolve() was not asked for since the last call is not needed any more: the kernel need
    // not keep its neighbor.
    void end_of_needs();

    // How long ago the kernel last had word of the neighbor by which a backend is reached, at most:
    // what its own packets confirm it tells only when it is asked. nullopt: none is needed, or none
    // is known.
    [[nodiscard]] std::optional<std::chrono::seconds> confirmed_ago(
        const IpAddress& backend,
        const std::optional<MacAddress>& fixed_mac,
        bool same_segment) const;
    [[nodiscard]] KernelTraffic traffic() const;

  private:
    // What resolve() is asked for; needs of one backend stand together.
    struct Need {
        IpAddress backend;
        std::optional<std::array<std::uint8_t, 6>> fixed_mac;
        bool same_segment = false;
        friend bool operator==(const Need&, const Need&) = default;
        // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the comparison for a 0
        friend auto operator<=>(const Need&, const Need&) = default;
    };
    [[nodiscard]] static Need need_of(const IpAddress& backend,
                                      const std::optional<MacAddress>& fixed_mac,
                                      bool same_segment);
    struct Place {
        Resolution resolution;
        std::optional<NextHop> hop;
        std::optional<PortSources::Vote> vote;
        std::uint64_t round = 0;  // of end_of_needs(), when it was last asked for
    };

    NeighborTable(boost::asio::io_context& loop,
                  std::unique_ptr<Kernel> kernel,
                  std::vector<conf::PortConfig> ports,
                  std::function<void()> on_change);
    // Where it leads now, without the book-keeping.
    [[nodiscard]] Place find_place(const Need& need);
    [[nodiscard]] Place find_by_route(const Need& need, const Route& route);
    [[nodiscard]] std::optional<Resolution> resolve_on_vdev(const Need& need) const;
    [[nodiscard]] Resolution resolve_neighbor(PortIndex port, const NextHop& hop) const;
    void replace(const Need& need, Place& place);
    void drop(const Need& need, const Place& place);
    [[nodiscard]] bool names_source(const IpAddress& backend, const Route& route);

    void on_notifications();
    void on_event(const Event& event);
    void on_link(const Interface* before, const Interface* after);
    void read_again();
    void settle_in(std::chrono::milliseconds delay);
    void settle();
    void refresh_ports();

    std::unique_ptr<Kernel> kernel_;
    std::vector<conf::PortConfig> ports_;
    std::function<void()> on_change_;
    InterfaceTable interfaces_;
    RouteTable routes_;
    NextHops hops_;
    PortSources sources_;
    std::map<Need, Place> places_;
    std::map<NextHop, std::set<Need>> users_;
    PortInterfaces port_interfaces_;
    std::vector<publish::DesiredPort> desired_;
    // Since the last settle().
    std::set<NextHop> changed_hops_;
    bool is_interface_changed_ = false;
    bool is_reading_due_ = false;
    bool is_changed_ = false;
    std::uint64_t round_ = 1;
    std::uint64_t rereads_ = 0;
    loop::Timer soon_;
    bool is_settling_soon_ = false;
    // Last: what it calls uses everything above.
    loop::Watch notifications_;
};

}  // namespace fairlead::neighbor
