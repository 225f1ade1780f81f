// The tunnels' outer source of each port, of both families; what is said of it.
//
// tunnel_source.h says how one is chosen; a configured one wins. Thread: one at a time.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "conf/schema/config.h"
#include "ctl/neighbor/event.h"
#include "ctl/neighbor/tunnel_source.h"
#include "ctl/publish/publisher.h"

namespace fairlead::neighbor {

class PortSources {
  public:
    struct Vote {
        std::size_t port = 0;
        bool is_v4 = true;  // the outer header's family
        SourceVote vote;
        friend bool operator==(const Vote&, const Vote&) = default;
    };

    explicit PortSources(std::size_t ports) : ports_(ports) {}

    // What an earlier daemon's tunnels came from; before the first choose().
    void keep(std::size_t port, const IpAddress& source);
    void add(const Vote& vote);
    void remove(const Vote& vote);

    // Puts the choice into `desired`, whose sources are what the port has without the kernel's
    // routes: configured ones, which stay, or an address of its interface. A change is logged.
    void choose(std::size_t port,
                const conf::PortConfig& config,
                publish::DesiredPort& desired,
                const std::function<bool(const IpAddress&)>& is_ours,
                Clock::time_point now);
    // Sentences: sources that have changed within the last hour, and routes that name another.
    [[nodiscard]] std::vector<std::string> problems(std::size_t port,
                                                    const conf::PortConfig& config,
                                                    Clock::time_point now) const;

  private:
    struct Family {
        TunnelSource source;
        IpAddress told;    // the last one that was one; :: at first
        IpAddress former;  // before that
        Clock::time_point changed{};
    };
    using Families = std::array<Family, 2>;  // IPv4, IPv6

    std::vector<Families> ports_;
};

}  // namespace fairlead::neighbor
