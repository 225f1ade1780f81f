// When the service manager hears that the engine is well (WATCHDOG=1): only while every worker and
// the control thread turn.
//
// The control thread asks each turn, so its own standing still is silence by itself. Of each worker
// it wants that its heartbeat has moved since the last time; a worker that stands still keeps the
// word back, and the service manager ends the engine and starts another one, which takes the flows
// over. Thread: the control thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace fairlead::engine {

class Watchdog {
  public:
    using Clock = std::chrono::steady_clock;
    // The heartbeat of a worker.
    using Heartbeat = std::function<std::uint64_t(std::size_t worker)>;

    // `interval` is watchdog_interval(): nullopt means that nobody waits for the word.
    Watchdog(std::optional<std::chrono::microseconds> interval, std::size_t workers);

    // Whether the word is due, at half the interval, and deserved. Where it is not deserved the
    // next call looks again.
    [[nodiscard]] bool is_fed(Clock::time_point now, const Heartbeat& heartbeat_of);

  private:
    std::optional<Clock::duration> period_;
    std::optional<Clock::time_point> next_;  // nullopt: nobody has asked yet
    std::vector<std::uint64_t> beats_;       // by worker, when the word was last given
};

}  // namespace fairlead::engine
