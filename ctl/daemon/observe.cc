#include "ctl/daemon/observe.h"

#include <algorithm>
#include <set>

#include "ctl/neighbor/port_facts.h"
#include "dp/forward/path/tunnel.h"

namespace fairlead::daemon {

bool observe_links(neighbor::NeighborTable& neighbors, model::Model& model, model::Time now) {
    bool is_changed = false;
    for (model::Service& service : model.services()) {
        const bool same_segment = service.config.forwarding == conf::Forwarding::kL2;
        for (model::Backend& backend : service.backends) {
            const neighbor::Resolution& found =
                neighbors.resolve(backend.address, backend.fixed_mac, same_segment);
            is_changed |=
                model::Model::observe_link(backend, found.link, found.problem, found.is_lost, now);
        }
    }
    neighbors.end_of_needs();
    return is_changed;
}

// An address that no tunnel came from was nobody's choice, and no backend knows it.
void keep_tunnel_sources(const publish::Known& known, neighbor::NeighborTable& neighbors) {
    std::set<std::string_view> tunnels;
    for (const publish::KnownService& service : known.services) {
        if (service.mode != shm::ForwardingMode::kL2) {
            tunnels.insert(service.name);
        }
    }
    for (const bool is_v4 : {true, false}) {
        const bool is_used = std::any_of(known.backends.begin(),
                                         known.backends.end(),
                                         [&](const publish::KnownBackend& backend) {
                                             return backend.address.is_v4() == is_v4 &&
                                                    tunnels.contains(backend.service);
                                         });
        for (const publish::KnownPort& port : known.ports) {
            const IpAddress& source = is_v4 ? port.tunnel_source_v4 : port.tunnel_source_v6;
            if (is_used && source != IpAddress{} && source.is_v4() == is_v4) {
                neighbors.keep_tunnel_source(port.name, source);
            }
        }
    }
}

bool is_own_tunnel(const std::vector<publish::DesiredPort>& ports,
                   const model::Model& model,
                   const IpAddress& source,
                   const IpAddress& destination) {
    const bool is_ours =
        std::any_of(ports.begin(), ports.end(), [&](const publish::DesiredPort& port) {
            const auto& [address, length] = port.tunnel_prefix;
            return port.tunnel_source_v4 == source || port.tunnel_source_v6 == source ||
                   (length != 0 && neighbor::contains({address, length}, source));
        });
    const auto has_destination = [&](const model::Service& service) {
        return service.config.forwarding != conf::Forwarding::kL2 &&
               std::any_of(
                   service.backends.begin(),
                   service.backends.end(),
                   [&](const model::Backend& backend) { return backend.address == destination; });
    };
    const std::vector<model::Service>& services = model.services();
    return is_ours && std::any_of(services.begin(), services.end(), has_destination);
}

std::uint32_t least_path_mtu(shm::ForwardingMode mode,
                             const IpAddress& vip,
                             const IpAddress& backend) {
    if (vip.is_v4()) {
        return backend.is_v4() ? neighbor::kLeastPathMtuV4 : neighbor::kLeastPathMtuV6;
    }
    return neighbor::kLeastPathMtuV6 + tunnel_overhead(mode, !backend.is_v4());
}

std::optional<std::uint32_t> known_path_mtu(const neighbor::PathMtuListener& listener,
                                            shm::ForwardingMode mode,
                                            const IpAddress& vip,
                                            const IpAddress& backend) {
    const auto said = listener.of(backend);
    return said ? std::optional(std::max(*said, least_path_mtu(mode, vip, backend))) : std::nullopt;
}

void set_path_mtus(const neighbor::PathMtuListener& listener, publish::DesiredTables& tables) {
    for (publish::DesiredService& service : tables.services) {
        if (service.mode == shm::ForwardingMode::kL2) {
            continue;
        }
        for (publish::DesiredBackend& backend : service.backends) {
            backend.path_mtu_bytes =
                known_path_mtu(listener, service.mode, service.vip, backend.address)
                    .value_or(shm::kNoPathMtu);
        }
    }
}

std::vector<health::Target> targets_of(const model::Model& model) {
    std::vector<health::Target> targets;
    for (const model::Service& service : model.services()) {
        const conf::HealthConfig& health = service.config.health;
        if (health.type == conf::CheckType::kNone) {
            continue;
        }
        for (const model::Backend& backend : service.backends) {
            if (backend.is_checked()) {
                targets.push_back({service.config.name,
                                   backend.name,
                                   backend.address,
                                   health.port.value_or(service.config.port),
                                   health,
                                   backend.health});
            }
        }
    }
    return targets;
}

}  // namespace fairlead::daemon
