// The kernel's links, addresses, neighbors and routes, by netlink (RFC 3549).
//
// Queries go to the kernel and come back at once; none waits for the network. Thread: one at a
// time. Errors: a query that fails answers as if there were nothing; open() says why netlink is not
// there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "ctl/neighbor/event.h"
#include "dp/base/result.h"

namespace fairlead::neighbor {

class Kernel {
  public:
    using OnEvent = std::function<void(const Event&)>;

    [[nodiscard]] static Result<std::unique_ptr<Kernel>> open();
    ~Kernel();
    Kernel(const Kernel&) = delete;
    Kernel& operator=(const Kernel&) = delete;

    // Readable when there is something for read_events().
    [[nodiscard]] int notification_fd() const;
    // Hands on what has changed, in the order in which it did, some of it: while there is more the
    // descriptor stays readable. False: more came than the socket holds, and some of it is lost.
    [[nodiscard]] bool read_events(const OnEvent& on_event);

    // All links and their addresses, and all neighbors, as events. False: the kernel did not tell
    // all of it; to be asked again.
    [[nodiscard]] bool read_interfaces(const OnEvent& on_event);
    [[nodiscard]] bool read_neighbors(const OnEvent& on_event);

    // The route that a packet of this host to `destination` would take, now.
    [[nodiscard]] std::optional<Route> route(const IpAddress& destination);
    // The entry behind that route as somebody has set it: the source is the one that it names.
    [[nodiscard]] std::optional<Route> route_as_set(const IpAddress& destination);
    [[nodiscard]] std::optional<NeighborEntry> neighbor(const NextHop& hop);

    // Asks the kernel to find the neighbor and to keep it found (NTF_EXT_MANAGED). What is known of
    // it stays. Needs CAP_NET_ADMIN, as do the next two.
    [[nodiscard]] Status solicit(const NextHop& hop);
    // Asks the neighbor at its known MAC address whether it is still there, and then as solicit().
    [[nodiscard]] Status verify(const NextHop& hop);
    // Leaves an entry that solicit() made to the kernel's own keeping.
    void release(const NextHop& hop, const NeighborEntry& entry);

    // How often the kernel was asked for a route, or for one neighbor, since open().
    [[nodiscard]] std::uint64_t route_queries() const { return route_queries_; }
    [[nodiscard]] std::uint64_t neighbor_queries() const { return neighbor_queries_; }

  private:
    class Sockets;
    explicit Kernel(std::unique_ptr<Sockets> sockets);
    [[nodiscard]] bool dump(int type, int family, const OnEvent& on_event);
    [[nodiscard]] std::optional<Route> ask_route(const IpAddress& destination, unsigned flags);
    std::unique_ptr<Sockets> sockets_;
    std::uint64_t route_queries_ = 0;
    std::uint64_t neighbor_queries_ = 0;
};

}  // namespace fairlead::neighbor
