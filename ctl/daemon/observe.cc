#include "ctl/daemon/observe.h"

namespace fairlead::daemon {

bool observe_links(neighbor::NeighborTable& neighbors, model::Model& model, model::Time now) {
    bool is_changed = false;
    for (model::Service& service : model.services()) {
        const bool same_segment = service.config.forwarding == conf::Forwarding::kL2;
        for (model::Backend& backend : service.backends) {
            const neighbor::Resolution found =
                neighbors.resolve(backend.address, backend.fixed_mac, same_segment);
            is_changed |= model::Model::observe_link(backend, found.link, found.problem, now);
        }
    }
    return is_changed;
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
