// How long a loop's thread has not turned: the CPU was somebody else's, or a handler took its time.
//
// While it watches, a timer goes off every kTick, and what it comes too late by has been lost, but
// for kTolerance. Whoever waits on this loop asks before and after, and knows how much of the time
// that has passed nobody looked. Thread: the loop's.
#pragma once

#include <algorithm>
#include <chrono>

#include "ctl/loop/io_context_fwd.h"
#include "ctl/loop/timer.h"

namespace fairlead::health {

class Lateness {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds kTick{10};
    static constexpr std::chrono::milliseconds kTolerance{5};

    explicit Lateness(boost::asio::io_context& loop) : timer_(loop) {}

    // Whether there is somebody who will ask.
    void watch(bool is_wanted) {
        if (is_wanted == is_watching_) {
            return;
        }
        is_watching_ = is_wanted;
        if (is_wanted) {
            wait();
        } else {
            lost_ = lost(Clock::now());
            timer_.cancel();
        }
    }

    // In all, until `now`: only differences mean something.
    [[nodiscard]] Clock::duration lost(Clock::time_point now) const {
        const Clock::duration late = now - due_ - kTolerance;
        return lost_ + (is_watching_ ? std::max(late, Clock::duration{}) : Clock::duration{});
    }

  private:
    void wait() {
        due_ = Clock::now() + kTick;
        timer_.at(due_, [this] {
            lost_ = lost(Clock::now());
            wait();
        });
    }

    loop::Timer timer_;
    Clock::time_point due_;
    Clock::duration lost_{};
    bool is_watching_ = false;
};

}  // namespace fairlead::health
