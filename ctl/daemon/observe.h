// Between the model and those who look at the world for it: the kernel's neighbors and the checks.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ctl/health/check_thread.h"
#include "ctl/model/model.h"
#include "ctl/neighbor/neighbor_table.h"
#include "ctl/neighbor/path_mtu.h"

namespace fairlead::daemon {

// Asks for the link of every backend; what no backend needs any more is let go. Whether anything
// changed.
bool observe_links(neighbor::NeighborTable& neighbors, model::Model& model, model::Time now);

// Has the tunnels come from where they came from under an earlier daemon.
void keep_tunnel_sources(const publish::Known& known, neighbor::NeighborTable& neighbors);

// Whether packets between these two are a tunnel that this balancer makes.
[[nodiscard]] bool is_own_tunnel(const std::vector<publish::DesiredPort>& ports,
                                 const model::Model& model,
                                 const IpAddress& source,
                                 const IpAddress& destination);
// The least that the way through a tunnel counts as taking, whatever a message says: what a path of
// the backend's family must carry (RFC 1122, 3.3.3; RFC 8200, 5), and room for the 1,280 bytes
// that an IPv6 client may send whatever it is told. Requires a mode with a tunnel.
[[nodiscard]] std::uint32_t least_path_mtu(shm::ForwardingMode mode,
                                           const IpAddress& vip,
                                           const IpAddress& backend);
// What routers have said of the way to a backend, within that bound; nullopt: nothing.
[[nodiscard]] std::optional<std::uint32_t> known_path_mtu(const neighbor::PathMtuListener& listener,
                                                          shm::ForwardingMode mode,
                                                          const IpAddress& vip,
                                                          const IpAddress& backend);
// Sets what the ways to the backends of tunnels take.
void set_path_mtus(const neighbor::PathMtuListener& listener, publish::DesiredTables& tables);

// Everything that is to be checked now: neither what is in maintenance nor what is being removed.
[[nodiscard]] std::vector<health::Target> targets_of(const model::Model& model);

}  // namespace fairlead::daemon
