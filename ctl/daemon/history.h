// How long each backend has been what it is, over restarts.
#pragma once

#include <vector>

#include "ctl/model/model.h"
#include "ctl/store/change.h"

namespace fairlead::daemon {

// What has changed since it was noted last, or all. It counts as noted then.
[[nodiscard]] std::vector<store::Remembered> unnoted(model::Model& model, bool all);

// Whoever is still what he was has been so all the time; else it was one change more. Whether there
// is nothing remembered of backends that are not there.
[[nodiscard]] bool recall(const std::vector<store::Remembered>& remembered, model::Model& model);

}  // namespace fairlead::daemon
