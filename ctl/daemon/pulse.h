// Whether something that counts its turns still turns, judged by looking at the count.
//
// Theory of operation: each look that finds the count where the last one left it adds the time
// between the two to how long it has stood still, but never more than kMostPerLook. So a daemon
// that was itself stopped, or late, has seen nothing in that time and takes nobody for hung: what
// it watches must have stood still over several looks that were really taken. Of a machine that was
// paused as a whole, nothing is said.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace fairlead::daemon {

class Pulse {
  public:
    using Clock = std::chrono::steady_clock;

    // Stood still for that long over at least four looks: hung, stopped, or without a CPU.
    static constexpr std::chrono::milliseconds kHung{1'500};
    static constexpr std::chrono::milliseconds kMostPerLook{400};

    void look(std::uint64_t count, Clock::time_point now) {
        if (!count_ || *count_ != count) {
            count_ = count;
            still_ = {};
        } else {
            still_ += std::min<Clock::duration>(now - last_look_, kMostPerLook);
        }
        last_look_ = now;
    }

    [[nodiscard]] bool stands_still() const { return still_ >= kHung; }
    // At least that long.
    [[nodiscard]] std::chrono::seconds still_for() const {
        return std::chrono::duration_cast<std::chrono::seconds>(still_);
    }

  private:
    std::optional<std::uint64_t> count_;
    Clock::time_point last_look_{};
    Clock::duration still_{};
};

}  // namespace fairlead::daemon
