#include "ctl/daemon/waiters.h"

#include <algorithm>
#include <utility>

namespace fairlead::daemon {

void Waiters::wait(std::uint64_t generation, std::chrono::milliseconds limit, Done done) {
    if (waiters_.size() >= kMost) {
        done("so many wait for the workers already that this request does not: the change stands");
        return;
    }
    waiters_.push_back({generation, std::chrono::steady_clock::now() + limit, std::move(done)});
    if (!is_polling_) {
        look();
    }
}

void Waiters::look() {
    telemetry_.refresh();
    const bool engine_runs = telemetry_.engine_lives() && !telemetry_.workers().empty();
    const std::uint64_t acknowledged = engine_runs ? telemetry_.lowest() : 0;
    const auto now = std::chrono::steady_clock::now();
    std::vector<Waiter> waiting;
    std::vector<std::pair<Done, std::string>> ready;
    for (Waiter& waiter : waiters_) {
        if (published_.has_next_step()) {
            waiter.waits_for_steps = true;
        } else if (std::exchange(waiter.waits_for_steps, false)) {
            waiter.generation = std::max(waiter.generation, published_.generation);
        }
        if (engine_runs && !waiter.waits_for_steps && acknowledged >= waiter.generation) {
            ready.emplace_back(std::move(waiter.done), "");
        } else if (now >= waiter.deadline) {
            ready.emplace_back(std::move(waiter.done), reason(engine_runs));
        } else {
            waiting.push_back(std::move(waiter));
        }
    }
    waiters_ = std::move(waiting);
    is_polling_ = !waiters_.empty();
    if (is_polling_) {
        timer_.after(kPoll, [this] { look(); });
    }
    for (auto& [done, why] : ready) {  // last: it may come back with wait()
        done(std::move(why));
    }
}

std::string Waiters::reason(bool engine_runs) {
    if (!engine_runs) {
        return "no engine runs: the change stands, and is in force when lbdp starts";
    }
    return telemetry_.slowest() +
           " has not followed in time: the change stands, and is in force when it does";
}

}  // namespace fairlead::daemon
