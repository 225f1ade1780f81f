// The kernel's routes to those destinations that somebody needs, each asked for once, and again
// only when something has changed that can change it.
//
// Which routes that are is found in the tables here, so that the change of a prefix, an interface
// or an address costs its own share of them. Thread: one at a time.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "ctl/neighbor/event.h"

namespace fairlead::neighbor {

class RouteTable {
  public:
    // nullptr: not asked for yet. Inside: nullopt, the kernel has none.
    [[nodiscard]] const std::optional<Route>* find(const IpAddress& destination) const;
    void store(const IpAddress& destination, const std::optional<Route>& route);
    // Requires a route that find() has.
    void set_names_source(const IpAddress& destination, bool names_source);
    void forget(const IpAddress& destination);

    // What is to be asked again. A route that is asked again is used as it was until the answer.
    void outdate(const conf::PortConfig::Prefix& prefix);
    void outdate_family(std::optional<bool> is_v4);  // nullopt: all
    // Those that leave by this interface, and those that reach nothing.
    void outdate_interface(int index);
    // Those that have this source address, and those that have none.
    void outdate_source(const IpAddress& source);

    [[nodiscard]] bool has_outdated() const { return !outdated_.empty(); }
    // Up to `most` of them; they count as asked.
    [[nodiscard]] std::vector<IpAddress> take_outdated(std::size_t most);

  private:
    void unlist(const IpAddress& destination, const std::optional<Route>& route);

    std::map<IpAddress, std::optional<Route>> routes_;
    std::map<int, std::set<IpAddress>> by_interface_;     // 0: those that reach nothing
    std::map<IpAddress, std::set<IpAddress>> by_source_;  // :: those that have none
    std::set<IpAddress> outdated_;
};

}  // namespace fairlead::neighbor
