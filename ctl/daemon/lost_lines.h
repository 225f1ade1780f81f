// Lines of the log that nobody took: said where somebody looks.
//
// Pure but for what it remembers.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace fairlead::daemon {

class LostLines {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::minutes kToldFor{1};  // after the last one

    // `lost` is how many have been lost until now.
    void look(std::uint64_t lost, Clock::time_point now) {
        if (lost != lost_) {
            lost_ = lost;
            last_ = now;
        }
    }
    // "": none within the last minute.
    [[nodiscard]] std::string problem(Clock::time_point now) const {
        if (lost_ == 0 || now - last_ > kToldFor) {
            return "";
        }
        return "the log loses lines, " + std::to_string(lost_) +
               " since the start: whoever reads lbd's stderr is too slow, or has stopped";
    }

  private:
    std::uint64_t lost_ = 0;
    Clock::time_point last_{};
};

}  // namespace fairlead::daemon
