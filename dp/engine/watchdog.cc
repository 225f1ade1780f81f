#include "dp/engine/watchdog.h"

#include <utility>

namespace fairlead::engine {

Watchdog::Watchdog(std::optional<std::chrono::microseconds> interval, std::size_t workers)
    : beats_(workers) {
    if (interval) {
        period_ = *interval / 2;
    }
}

bool Watchdog::is_fed(Clock::time_point now, const Heartbeat& heartbeat_of) {
    if (!period_ || (next_ && now < *next_)) {
        return false;
    }
    std::vector<std::uint64_t> beats;
    beats.reserve(beats_.size());
    for (std::size_t worker = 0; worker < beats_.size(); ++worker) {
        beats.push_back(heartbeat_of(worker));
        if (next_ && beats[worker] == beats_[worker]) {
            return false;
        }
    }
    const bool is_first = !next_;
    beats_ = std::move(beats);
    next_ = now + *period_;
    return !is_first;
}

}  // namespace fairlead::engine
