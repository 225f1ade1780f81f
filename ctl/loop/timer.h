// Calls a function once, at a time. Thread: the loop's.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "ctl/loop/io_context_fwd.h"

namespace fairlead::loop {

// The function is never called after cancel(), another at() or after(), or the timer's end; it is
// destroyed by the loop, soon after any of them.
class Timer {
  public:
    using Clock = std::chrono::steady_clock;

    explicit Timer(boost::asio::io_context& loop);
    ~Timer();
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    void at(Clock::time_point time, std::function<void()> then);
    void after(Clock::duration duration, std::function<void()> then);
    // Whether a call was still to come.
    bool cancel() noexcept;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace fairlead::loop
