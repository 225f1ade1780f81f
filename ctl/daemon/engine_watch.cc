#include "ctl/daemon/engine_watch.h"

#include <algorithm>

#include <fmt/format.h>

#include "dp/base/log.h"

namespace fairlead::daemon {

std::string_view to_text(EngineState state) {
    switch (state) {
        case EngineState::kDown:
            return "down";
        case EngineState::kUnreadable:
            return "unreadable";
        case EngineState::kStarting:
            return "starting";
        case EngineState::kStalled:
            return "stalled";
        case EngineState::kForwarding:
            return "forwarding";
    }
    return "";
}

void EngineWatch::look(bool lives,
                       const shm::TelemetryHeader* header,
                       std::span<const shm::WorkerBlock> workers,
                       Clock::time_point now) {
    if (!lives || header == nullptr) {
        forget(nullptr);
        state_ = lives ? EngineState::kUnreadable : EngineState::kDown;
        return;
    }
    if (header->started_ns.load() != started_ns_ || header->pid.load() != pid_) {
        forget(header);
    }
    const std::uint64_t turns = header->control_heartbeat.get();
    has_turned_ = turns != 0;
    // Before its first turn it opens ports and allocates memory, which may take its time.
    if (has_turned_) {
        const bool was_stalled = control_.stands_still();
        control_.look(turns, now);
        if (control_.stands_still() != was_stalled) {
            log_warning(was_stalled ? "control-turns-again" : "control-stands-still",
                        {{"pid", pid_}});
        }
    }
    workers_.resize(workers.size());
    for (std::size_t i = 0; i < workers.size(); ++i) {
        look_at_worker(i, workers[i], now);
    }
    count_round();
    state_ = judge();
}

void EngineWatch::count_round() {
    const bool all_turned =
        !workers_.empty() && std::all_of(workers_.begin(), workers_.end(), [](const Worker& each) {
            return each.turns != each.turns_at_round;
        });
    if (!all_turned) {
        return;
    }
    ++rounds_;
    for (Worker& worker : workers_) {
        worker.turns_at_round = worker.turns;
    }
}

void EngineWatch::look_at_worker(std::size_t number,
                                 const shm::WorkerBlock& block,
                                 Clock::time_point now) {
    Worker& worker = workers_[number];
    worker.cpu = block.cpu.get();
    worker.turns = block.heartbeat.get();
    worker.has_followed = block.acknowledged.load(std::memory_order_relaxed) != 0;
    if (!has_turned_) {
        return;  // workers are started before the control thread's first turn
    }
    const bool was_stalled = worker.pulse.stands_still();
    worker.pulse.look(worker.turns, now);
    if (worker.pulse.stands_still() != was_stalled) {
        log_warning(was_stalled ? "worker-turns-again" : "worker-stands-still",
                    {{"worker", number}, {"cpu", worker.cpu}, {"pid", pid_}});
    }
}

void EngineWatch::forget(const shm::TelemetryHeader* header) {
    started_ns_ = header == nullptr ? 0 : header->started_ns.load();
    pid_ = header == nullptr ? 0 : header->pid.load();
    has_turned_ = false;
    control_ = {};
    workers_.clear();
}

std::size_t EngineWatch::stalled_workers() const {
    return static_cast<std::size_t>(
        std::count_if(workers_.begin(), workers_.end(), [](const Worker& worker) {
            return worker.pulse.stands_still();
        }));
}

std::string EngineWatch::still_workers() const {
    if (!workers_.empty() && stalled_workers() == workers_.size()) {
        return fmt::format("the engine (lbdp, pid {})", pid_);
    }
    std::string names;
    for (std::size_t i = 0; i < workers_.size(); ++i) {
        if (workers_[i].pulse.stands_still()) {
            names +=
                fmt::format("{}worker {} on CPU {}", names.empty() ? "" : ", ", i, workers_[i].cpu);
        }
    }
    return names;
}

EngineState EngineWatch::judge() const {
    if (control_.stands_still() || stalled_workers() > 0) {
        return EngineState::kStalled;
    }
    const bool all_follow =
        !workers_.empty() && std::all_of(workers_.begin(), workers_.end(), [](const Worker& each) {
            return each.has_followed;
        });
    return has_turned_ && all_follow ? EngineState::kForwarding : EngineState::kStarting;
}

std::vector<Problem> EngineWatch::problems() const {
    std::vector<Problem> problems;
    if (state_ == EngineState::kStarting) {
        problems.push_back(
            {fmt::format("the engine (lbdp, pid {}) is starting and forwards nothing yet: it opens "
                         "its ports, or waits for tables; if it stays so, see its log",
                         pid_),
             true});
    }
    if (state_ != EngineState::kStalled) {
        return problems;
    }
    if (control_.stands_still() && stalled_workers() == workers_.size()) {
        problems.push_back(
            {fmt::format("the engine (lbdp, pid {0}) has stood still for {1} s, and nothing is "
                         "forwarded: it is stopped (`kill -CONT {0}` lets it go on), it hangs, or "
                         "something else has its CPUs; if it stays so, restart lbdp",
                         pid_,
                         control_.still_for().count()),
             true});
        return problems;
    }
    for (std::size_t i = 0; i < workers_.size(); ++i) {
        if (workers_[i].pulse.stands_still()) {
            problems.push_back(
                {fmt::format("worker {} on CPU {} has stood still for {} s, and what its queues "
                             "receive is lost: see what else runs on that CPU, by `top -H`; if it "
                             "stays so, restart lbdp",
                             i,
                             workers_[i].cpu,
                             workers_[i].pulse.still_for().count()),
                 true});
        }
    }
    if (control_.stands_still()) {
        problems.push_back(
            {fmt::format("the control thread of the engine (lbdp, pid {}) has stood still for {} "
                         "s: no change reaches the workers, and no port is watched; if it stays "
                         "so, restart lbdp",
                         pid_,
                         control_.still_for().count()),
             true});
    }
    return problems;
}

}  // namespace fairlead::daemon
