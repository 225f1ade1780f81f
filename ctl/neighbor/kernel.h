// The kernel's links, addresses, neighbors and routes, by netlink (RFC 3549).
//
// Queries go to the kernel and come back at once; none waits for the network. Thread: one at a
// time. Errors: a query that fails answers as if there were nothing; open() says why netlink is not
// there.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "ctl/neighbor/port_facts.h"
#include "dp/base/result.h"

namespace fairlead::neighbor {

struct Route {
    bool is_unicast = false;  // neither local, blackhole nor unreachable
    int interface_index = 0;
    std::optional<IpAddress> gateway;  // nullopt: on the link
    std::uint32_t mtu_bytes = 0;       // 0: the interface's
};

struct NeighborEntry {
    std::optional<MacAddress> mac;  // nullopt: not answered yet, or no answer
    bool is_failed = false;
    bool is_permanent = false;  // somebody wrote it in: left alone
};

class Kernel {
  public:
    [[nodiscard]] static Result<std::unique_ptr<Kernel>> open();
    ~Kernel();
    Kernel(const Kernel&) = delete;
    Kernel& operator=(const Kernel&) = delete;

    // Readable when a link, address, neighbor or route has changed since the last drain().
    [[nodiscard]] int notification_fd() const;
    // Empties it. Whether something else than neighbors changed, or that cannot be told.
    [[nodiscard]] bool drain();

    // nullopt: the kernel did not tell; to be asked again.
    [[nodiscard]] std::optional<std::vector<Interface>> interfaces();
    // The route that a packet of this host to `destination` would take, now.
    [[nodiscard]] std::optional<Route> route(const IpAddress& destination);
    // Reads all neighbors anew, for neighbor(). Whether the kernel told; otherwise what was known
    // stays.
    [[nodiscard]] bool read_neighbors();
    [[nodiscard]] std::optional<NeighborEntry> neighbor(int interface_index,
                                                        const IpAddress& address) const;
    // Asks the kernel to find the neighbor and to keep it found (NTF_EXT_MANAGED; by NTF_USE, once,
    // where the kernel is older than 5.16). What is known of it stays. Needs CAP_NET_ADMIN.
    [[nodiscard]] Status solicit(int interface_index,
                                 const IpAddress& address,
                                 const std::optional<MacAddress>& known);

  private:
    class Sockets;
    explicit Kernel(std::unique_ptr<Sockets> sockets);
    std::unique_ptr<Sockets> sockets_;
};

}  // namespace fairlead::neighbor
