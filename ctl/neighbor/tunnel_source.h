// Which of this host's addresses the tunnels of one port and family come from.
//
// The engine has one for all backends of a port; the kernel has one for each route. What the
// kernel would take for each backend is a vote. Backends let in the balancers by address, so the
// choice stays for as long as the host has the address, whatever other addresses come and whatever
// order the kernel then has them in (RFC 6724, 5). Only a route that names its source (`ip route
// ... src`) can move it before, if it counts for more backends than are left for the present one.
//
// Thread: one at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>

#include "dp/net/ip_address.h"

namespace fairlead::neighbor {

struct SourceVote {
    IpAddress source;
    bool is_set = false;  // somebody wrote it into the route
    friend bool operator==(const SourceVote&, const SourceVote&) = default;
};

class TunnelSource {
  public:
    void add(const SourceVote& vote);
    void remove(const SourceVote& vote);

    // What an earlier daemon chose counts as chosen by votes.
    void keep(const IpAddress& chosen);

    // Decides anew, and keeps it; without a vote ever: `otherwise`. `is_ours` says whether this
    // host has an address. :: where nothing is left.
    IpAddress choose(const IpAddress& otherwise,
                     const std::function<bool(const IpAddress&)>& is_ours);

    // An address that routes name for some backends and that was not chosen; nullopt: none.
    struct Other {
        IpAddress source;
        std::size_t backends = 0;
    };
    [[nodiscard]] std::optional<Other> other() const;

  private:
    struct Count {
        std::size_t set = 0;
        std::size_t free = 0;
    };
    [[nodiscard]] std::size_t for_present() const;

    std::map<IpAddress, Count> votes_;
    std::size_t free_votes_ = 0;
    IpAddress chosen_;
    bool is_voted_ = false;  // chosen_ was
};

}  // namespace fairlead::neighbor
