// Whether the engine moves packets: its workers and its control thread turn, and follow the tables.
//
// A process that holds the lock on `telemetry` may be stopped, hung, or without a CPU, and then
// forwards nothing; so what counts is what the engine itself raises in the segment (pulse.h).
// Looked at every kLookEvery by the daemon, and at each question. Thread: the daemon's loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/daemon/problem.h"
#include "ctl/daemon/pulse.h"
#include "dp/shm/telemetry.h"

namespace fairlead::daemon {

enum class EngineState : std::uint8_t {
    kDown,        // no engine runs
    kUnreadable,  // one runs, of another version: nothing is known of it
    kStarting,    // a worker has not followed any tables yet
    kStalled,     // a worker or the control thread stands still
    kForwarding
};
[[nodiscard]] std::string_view to_text(EngineState state);

class EngineWatch {
  public:
    using Clock = Pulse::Clock;
    static constexpr std::chrono::milliseconds kLookEvery{250};

    // `header` is nullptr where there is nothing to read; `workers` are the running engine's.
    void look(bool lives,
              const shm::TelemetryHeader* header,
              std::span<const shm::WorkerBlock> workers,
              Clock::time_point now);

    [[nodiscard]] EngineState state() const { return state_; }
    [[nodiscard]] bool is_worker_stalled(std::size_t worker) const {
        return worker < workers_.size() && workers_[worker].pulse.stands_still();
    }
    [[nodiscard]] bool is_control_stalled() const { return control_.stands_still(); }
    // The workers that stand still, in words; "" if none does.
    [[nodiscard]] std::string still_workers() const;
    // Raised at a look that finds that every worker has turned since the last one that raised it.
    // So what a worker says of itself is news after two raises, whenever it was read before.
    [[nodiscard]] std::uint64_t rounds() const { return rounds_; }
    // When the engine that is watched began, since the epoch; 0: none is.
    [[nodiscard]] std::int64_t started_ns() const { return started_ns_; }
    // What is wrong, of an engine that can be read.
    [[nodiscard]] std::vector<Problem> problems() const;

  private:
    struct Worker {
        Pulse pulse;
        std::uint64_t cpu = 0;
        bool has_followed = false;
        std::uint64_t turns = 0;           // at this look
        std::uint64_t turns_at_round = 0;  // as rounds_ was raised
    };

    void forget(const shm::TelemetryHeader* header);
    void look_at_worker(std::size_t number, const shm::WorkerBlock& block, Clock::time_point now);
    void count_round();
    [[nodiscard]] EngineState judge() const;
    [[nodiscard]] std::size_t stalled_workers() const;

    EngineState state_ = EngineState::kDown;
    std::int64_t started_ns_ = 0;  // of the engine that is watched
    std::int64_t pid_ = 0;
    bool has_turned_ = false;  // its control thread
    Pulse control_;
    std::vector<Worker> workers_;
    std::uint64_t rounds_ = 0;
};

}  // namespace fairlead::daemon
