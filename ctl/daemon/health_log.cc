#include "ctl/daemon/health_log.h"

#include <utility>

namespace fairlead::daemon {

using model::Health;

std::optional<HealthLog::Line> HealthLog::note(const model::BackendKey& backend,
                                               Health now,
                                               Clock::time_point time) {
    Entry& entry = entries_[backend];
    const bool is_first_rise = now == Health::kRising && entry.verdict == Health::kUnknown;
    if (is_first_rise) {
        return std::nullopt;  // its verdict comes within milliseconds
    }
    if (const Health verdict = model::settled(now); verdict != entry.verdict) {
        entry.verdict = verdict;
        return Line{std::exchange(entry.untold, 0)};
    }
    if (entry.told_wavering && time - *entry.told_wavering < kWaveringEvery) {
        ++entry.untold;
        return std::nullopt;
    }
    entry.told_wavering = time;
    return Line{std::exchange(entry.untold, 0)};
}

void HealthLog::follow(const model::Model& model) {
    std::erase_if(entries_, [&model](const auto& entry) {
        const model::Service* const service =
            model::find_service(model.services(), entry.first.service);
        return service == nullptr || model::find_backend(*service, entry.first.name) == nullptr;
    });
}

}  // namespace fairlead::daemon
