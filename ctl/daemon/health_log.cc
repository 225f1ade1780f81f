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
    std::map<model::BackendKey, Entry> kept;
    for (const model::Service& service : model.services()) {
        for (const model::Backend& backend : service.backends) {
            kept.insert(entries_.extract(model::BackendKey{service.config.name, backend.name}));
        }
    }
    entries_ = std::move(kept);
}

}  // namespace fairlead::daemon
