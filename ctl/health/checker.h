// Asks every backend, over and over, whether it is there, and says when the answer changes.
//
// Checks of one target begin `interval` apart, at a phase that its name decides, so that thousands
// of targets spread over the interval and keep their places over restarts. A target without history
// is checked at once and again without a pause until it has passed `rise` times or failed: a new
// backend is in within milliseconds. At most kMaxConcurrent checks run at a time; the others wait
// their turn, and that they waited is told as lag.
//
// A checker that runs late never declares a backend dead for it (check.h), and a check for which
// this host had no socket is discarded. Every answer that did arrive counts.
//
// Thread: the loop's only. OnTransition is called by the loop, never from within a call of this
// class.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/schema/config.h"
#include "ctl/health/closings.h"
#include "ctl/health/histogram.h"
#include "ctl/health/lateness.h"
#include "ctl/health/outcome.h"
#include "ctl/health/rise_fall.h"
#include "ctl/loop/io_context_fwd.h"
#include "ctl/model/states.h"
#include "dp/net/ip_address.h"

namespace fairlead::health {

// One backend to check. (service, backend) is its name, and at most one target has it.
struct Target {
    std::string service;
    std::string backend;
    IpAddress address;
    std::uint16_t port = 0;  // health.port where given, otherwise the VIP's
    conf::HealthConfig health;
    model::Health last_known = model::Health::kUnknown;  // looked at when the target is new only
};

// What has been seen of one target since it became one.
struct Report {
    model::Health health = model::Health::kUnknown;
    std::chrono::system_clock::time_point since;  // of `health`; when it became a target at first
    std::array<std::uint64_t, kOutcomes> outcomes{};  // by Outcome
    bool has_result = false;                          // whether the three below mean something
    CheckResult last;                                 // of the last check that ended
    std::chrono::system_clock::time_point last_time;  // when it ended
    std::chrono::nanoseconds lag{};                   // how late it began

    [[nodiscard]] std::uint64_t passed() const noexcept { return outcomes[0]; }
    // Discarded checks are neither.
    [[nodiscard]] std::uint64_t failed() const noexcept;
};

class Check;

class Checker {
  public:
    static constexpr std::size_t kMaxConcurrent = 4096;

    // `why` is a sentence's part for people: "connection refused", "HTTP 503, expected 200-299".
    using OnTransition =
        std::function<void(const Target&, model::Health health, std::string_view why)>;
    // What is known of a target now; nullptr: it is one no more.
    using OnReport = std::function<void(const Target&, const Report*)>;

    // No more than `max_concurrent` sockets are open at a time. `loop` must outlive the checker.
    Checker(boost::asio::io_context& loop,
            OnTransition on_transition,
            OnReport on_report = {},
            std::size_t max_concurrent = kMaxConcurrent);
    ~Checker();
    Checker(const Checker&) = delete;
    Checker& operator=(const Checker&) = delete;
    Checker(Checker&&) = delete;
    Checker& operator=(Checker&&) = delete;

    // From now on these targets are checked and no others. One that was there before, with the same
    // name and address, goes on where it stood, also when its check changed. Targets of type none
    // get one transition to unchecked, unless that is what was last known, and no check.
    void set_targets(std::vector<Target> targets);

    // Nothing if there is no such target. Valid until the next call of set_targets().
    [[nodiscard]] const Report* report(std::string_view service, std::string_view backend) const;
    // Every target, by service and backend.
    void for_each(const std::function<void(const Target&, const Report&)>& visit) const;
    // Of all checks that ended since the start and were not discarded.
    [[nodiscard]] const DurationHistogram& durations() const noexcept { return durations_; }
    // The longest that a check began late within the last 10 to 20 seconds.
    [[nodiscard]] std::chrono::nanoseconds lag() const noexcept;

  private:
    using Name = std::pair<std::string, std::string>;
    using Clock = std::chrono::steady_clock;
    struct Entry;
    // Remembers the highest lag of this window of kLagWindow and of the one before.
    struct LagWindow {
        Clock::time_point begin{};
        std::chrono::nanoseconds highest{};
        std::chrono::nanoseconds previous{};
    };

    void begin(const std::shared_ptr<Entry>& entry);
    // For its first turn after `after`.
    void schedule(const std::shared_ptr<Entry>& entry, Clock::time_point after);
    void due(const std::shared_ptr<Entry>& entry);
    void run_waiting();
    void run(const std::shared_ptr<Entry>& entry);
    void finished(const std::shared_ptr<Entry>& entry, const CheckResult& result);
    void judge(const std::shared_ptr<Entry>& entry, const CheckResult& result);
    void tell_report(const std::shared_ptr<Entry>& entry, bool is_target = true);
    void announce(const std::shared_ptr<Entry>& entry, std::string why);
    void retire(const std::shared_ptr<Entry>& entry) noexcept;
    void note_lag(std::chrono::nanoseconds lag);

    boost::asio::io_context& loop_;
    OnTransition on_transition_;
    OnReport on_report_;
    std::size_t max_concurrent_;
    std::map<Name, std::shared_ptr<Entry>, std::less<>> entries_;
    std::deque<std::shared_ptr<Entry>> waiting_;
    std::size_t running_ = 0;
    std::shared_ptr<Closings> closings_ = std::make_shared<Closings>();
    Lateness lateness_;
    DurationHistogram durations_;
    LagWindow lag_;
};

}  // namespace fairlead::health
