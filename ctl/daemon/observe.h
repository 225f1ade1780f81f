// Between the model and those who look at the world for it: the kernel's neighbors and the checks.
#pragma once

#include <vector>

#include "ctl/health/checker.h"
#include "ctl/model/model.h"
#include "ctl/neighbor/neighbor_table.h"
#include "ctl/neighbor/path_mtu.h"

namespace fairlead::daemon {

// Asks for the link of every backend. Whether anything changed.
bool observe_links(neighbor::NeighborTable& neighbors, model::Model& model, model::Time now);

// Whether packets between these two are a tunnel that this balancer makes.
[[nodiscard]] bool is_own_tunnel(const std::vector<publish::DesiredPort>& ports,
                                 const model::Model& model,
                                 const IpAddress& source,
                                 const IpAddress& destination);
// Sets what the ways to the backends of tunnels take.
void set_path_mtus(const neighbor::PathMtuListener& listener, publish::DesiredTables& tables);

// Everything that is to be checked now: neither what is in maintenance nor what is being removed.
[[nodiscard]] std::vector<health::Target> targets_of(const model::Model& model);

}  // namespace fairlead::daemon
