// Whether so many backends fail their checks at once that the fault is likelier this balancer's own
// (its uplink, a firewall on the checks) than that of the servers.
//
// Theory of operation. A backend fails with the first failed check after it was up; it has
// recovered when it is up again. A backend whose checks are I apart and have the time-out T fails
// at most I + T after its cause; so those that share the cause of a failure at time t have failed
// since t - (I + T), by the check of the one that failed then. Those are the fresh ones. A hold
// begins where they are at least kLeast, and more than half of all that were up before: of them,
// and of those that are up or falling still.
//
// A hold lasts as long as it was given, and comes once: the next one can begin only after those
// that have not recovered were fewer than those that are up. So a real death of all servers is put
// off once, by one hold, and not for ever.
//
// Example: 4 backends, checked every second with a time-out of 500 ms. The uplink goes at 0; they
// fail at 0.6, 0.9, 1.1 and 1.4 s. At 1.1 s 3 of 4 have failed within 1.5 s: held until 11.1 s.
// Thread: the daemon's loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "ctl/model/model.h"

namespace fairlead::daemon {

class MassFailure {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t kLeast = 3;

    // Which backends are checked, and how long a hold lasts from now on; 0: none begins.
    void follow(const model::Model& model);
    // The health of one has changed; `within` is its interval and time-out together. Whether a hold
    // begins with that; fresh() then says with which ones.
    [[nodiscard]] bool note(const model::BackendKey& backend,
                            model::Health health,
                            std::chrono::milliseconds within,
                            Clock::time_point now);
    // Whether a hold that lasted until now is over.
    [[nodiscard]] bool is_over(Clock::time_point now);

    [[nodiscard]] bool holds() const { return until_.has_value(); }
    // How long the hold that has just begun is to last.
    [[nodiscard]] std::chrono::milliseconds hold() const { return hold_; }
    // Of the last hold: whether that backend had failed as it began, and how many had, of how many.
    [[nodiscard]] bool is_fresh(const model::BackendKey& backend) const;
    [[nodiscard]] std::size_t failed() const { return failed_; }
    [[nodiscard]] std::size_t were_up() const { return were_up_; }
    [[nodiscard]] std::uint64_t holds_so_far() const { return holds_so_far_; }
    // Those that have failed and were not up since.
    [[nodiscard]] std::size_t not_recovered() const { return not_recovered_; }
    // What an operator should know while it holds.
    [[nodiscard]] std::string problem() const;

  private:
    struct Entry {
        bool serves = false;                         // up or falling
        std::optional<Clock::time_point> failed_at;  // and not up since
    };
    void set(Entry& entry, const Entry& to);
    [[nodiscard]] bool begins(std::chrono::milliseconds within, Clock::time_point now);

    std::map<model::BackendKey, Entry> entries_;
    std::size_t not_recovered_ = 0;  // those with failed_at
    std::size_t well_ = 0;           // those that serve and have none
    std::chrono::milliseconds hold_{};
    std::optional<Clock::time_point> until_;
    Clock::time_point fresh_since_{};
    bool is_spent_ = false;  // there was a hold, and most have not recovered since
    std::size_t failed_ = 0;
    std::size_t were_up_ = 0;
    std::uint64_t holds_so_far_ = 0;
};

}  // namespace fairlead::daemon
