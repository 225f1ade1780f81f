// Which changes of a backend's health are worth a line in the log.
//
// Those of its verdict, up or down, always. One that wavers - falling and up again, rising and down
// again - changes nothing for the balancing, and a thousand such servers would fill a disk: of that
// there is one line a minute a backend at most, with how many changes had none. Thread: the loop's.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include "ctl/model/model.h"

namespace fairlead::daemon {

class HealthLog {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds kWaveringEvery{60};

    struct Line {
        std::uint64_t untold = 0;  // changes since the last line, this one not among them
    };

    // Nothing: this change gets no line.
    [[nodiscard]] std::optional<Line> note(const model::BackendKey& backend,
                                           model::Health now,
                                           Clock::time_point time);
    // Forgets those that the model does not have any more.
    void follow(const model::Model& model);

  private:
    struct Entry {
        model::Health verdict = model::Health::kUnknown;
        std::optional<Clock::time_point> told_wavering;
        std::uint64_t untold = 0;
    };
    std::map<model::BackendKey, Entry> entries_;
};

}  // namespace fairlead::daemon
