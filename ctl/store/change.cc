#include "ctl/store/change.h"

namespace fairlead::store {

Change difference(const model::Kept& before, const model::Kept& after) {
    Change change;
    for (const auto& [key, entry] : after.overrides) {
        const auto was = before.overrides.find(key);
        if (was == before.overrides.end() || was->second != entry) {
            change.overrides.emplace_back(key, entry);
        }
    }
    for (const auto& [key, entry] : before.overrides) {
        if (!after.overrides.contains(key)) {
            change.overrides.emplace_back(key, model::BackendOverrides{});
        }
    }
    change.changes_node = before.node != after.node;
    change.node = after.node;
    return change;
}

}  // namespace fairlead::store
