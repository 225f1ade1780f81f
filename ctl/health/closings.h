// How many connections of checks may end in order at a time.
//
// In order means FIN and FIN, so that a server does not log a reset for each check. That costs: a
// socket stays open until the server has closed, and where this side closes first the kernel
// remembers the connection for a minute (TIME_WAIT). Beyond these bounds a check ends by RST, which
// costs nothing here. Thread: the loop's.
#pragma once

#include <chrono>
#include <cstddef>

namespace fairlead::health {

class Closings {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t kMaxAtATime = 1'024;  // sockets
    // Of those that this side closes first: 30,000 in TIME_WAIT.
    static constexpr std::size_t kMaxFirstPerSecond = 500;

    // Whether a connection may end in order now; if so end() must follow.
    [[nodiscard]] bool begin(bool closes_first, Clock::time_point now) noexcept {
        if (now - second_ >= std::chrono::seconds(1)) {
            second_ = now;
            firsts_ = 0;
        }
        if (count_ >= kMaxAtATime || (closes_first && firsts_ >= kMaxFirstPerSecond)) {
            return false;
        }
        ++count_;
        firsts_ += closes_first ? 1U : 0U;
        return true;
    }
    void end() noexcept { --count_; }

    [[nodiscard]] std::size_t count() const noexcept { return count_; }

  private:
    std::size_t count_ = 0;
    std::size_t firsts_ = 0;  // since second_
    Clock::time_point second_{};
};

}  // namespace fairlead::health
