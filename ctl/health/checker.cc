#include "ctl/health/checker.h"

#include <algorithm>
#include <utility>

#include "ctl/health/check.h"
#include "ctl/loop/main_loop.h"
#include "ctl/loop/timer.h"

namespace fairlead::health {

using model::Health;

std::uint64_t Report::failed() const noexcept {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kOutcomes; ++i) {
        const auto outcome = static_cast<Outcome>(i);
        sum += outcome == Outcome::kOk || outcome == Outcome::kDiscarded ? 0 : outcomes[i];
    }
    return sum;
}

// Held by the checker and by its own pending operations, which look at `is_retired` first.
struct Checker::Entry {
    Entry(boost::asio::io_context& loop, Target new_target)
        : target(std::move(new_target)),
          state(target.last_known, target.health.rise, target.health.fall),
          timer(loop) {
        report.health = state.health();
        report.since = std::chrono::system_clock::now();
    }

    Target target;
    RiseFall state;
    Report report;
    loop::Timer timer;
    Clock::time_point due;  // of the check that runs or comes next
    std::shared_ptr<Check> check;
    bool is_retired = false;
};

namespace {

constexpr std::chrono::seconds kLagWindow{10};

// FNV-1a, to place a target within its interval: the same in every run.
[[nodiscard]] std::uint64_t hash(std::string_view a, std::string_view b) noexcept {
    constexpr std::uint64_t kOffset = 0xCBF2'9CE4'8422'2325;
    constexpr std::uint64_t kPrime = 0x0000'0100'0000'01B3;
    std::uint64_t value = kOffset;
    for (const std::string_view text : {a, std::string_view("/"), b}) {
        for (const char c : text) {
            value = (value ^ static_cast<unsigned char>(c)) * kPrime;
        }
    }
    return value;
}

// When `target`'s next turn is, strictly after `after`: turns are `interval` apart.
[[nodiscard]] std::chrono::steady_clock::time_point next_turn(
    const Target& target, std::chrono::steady_clock::time_point after) {
    using std::chrono::nanoseconds;
    const nanoseconds interval = target.health.interval;
    const auto phase = static_cast<std::int64_t>(hash(target.service, target.backend) %
                                                 static_cast<std::uint64_t>(interval.count()));
    const std::int64_t now = nanoseconds(after.time_since_epoch()).count();
    const std::int64_t into = (now - phase) % interval.count();
    const std::int64_t since_turn = into < 0 ? into + interval.count() : into;
    return after + nanoseconds(interval.count() - since_turn);
}

}  // namespace

Checker::Checker(boost::asio::io_context& loop,
                 OnTransition on_transition,
                 OnReport on_report,
                 std::size_t max_concurrent)
    : loop_(loop),
      on_transition_(std::move(on_transition)),
      on_report_(std::move(on_report)),
      max_concurrent_(max_concurrent),
      lateness_(loop) {}

Checker::~Checker() {
    for (const auto& [name, entry] : entries_) {
        retire(entry);
    }
}

void Checker::set_targets(std::vector<Target> targets) {
    std::map<Name, std::shared_ptr<Entry>, std::less<>> former = std::exchange(entries_, {});
    for (Target& target : targets) {
        const Name name{target.service, target.backend};
        const auto found = former.find(name);
        const bool was_checked =
            found != former.end() && found->second->target.health.type != conf::CheckType::kNone;
        const bool is_checked = target.health.type != conf::CheckType::kNone;
        const bool goes_on = found != former.end() &&
                             found->second->target.address == target.address &&
                             was_checked == is_checked;
        if (!goes_on) {
            const auto entry = std::make_shared<Entry>(loop_, std::move(target));
            entries_[name] = entry;
            begin(entry);
            tell_report(entry);
            continue;
        }
        const std::shared_ptr<Entry> entry = found->second;
        former.erase(found);
        const bool changes_turns = entry->target.health.interval != target.health.interval;
        entry->state.set_thresholds(target.health.rise, target.health.fall);
        entry->target = std::move(target);
        entries_[name] = entry;
        // One that waits or runs finds its next turn when it ends.
        if (changes_turns && is_checked && entry->check == nullptr && entry->timer.cancel()) {
            schedule(entry, Clock::now());
        }
    }
    for (const auto& [name, entry] : former) {
        retire(entry);
        if (!entries_.contains(name)) {
            tell_report(entry, false);
        }
    }
    run_waiting();
    lateness_.watch(running_ > 0);
}

void Checker::begin(const std::shared_ptr<Entry>& entry) {
    if (entry->target.health.type == conf::CheckType::kNone) {
        entry->report.health = Health::kUnchecked;
        if (entry->target.last_known != Health::kUnchecked) {
            announce(entry, "not checked");
        }
        return;
    }
    if (entry->state.is_undecided()) {
        entry->due = Clock::now();
        loop::post(loop_, [this, entry] {
            if (!entry->is_retired) {
                due(entry);
            }
        });
        return;
    }
    schedule(entry, Clock::now());
}

void Checker::schedule(const std::shared_ptr<Entry>& entry, Clock::time_point after) {
    const Clock::time_point now = Clock::now();
    Clock::time_point turn = next_turn(entry->target, after);
    // A check as long as its interval ends behind its next turn, which it then takes at once.
    if (turn + entry->target.health.interval <= now) {
        turn = next_turn(entry->target, now);
    }
    entry->due = turn;
    entry->timer.at(entry->due, [this, entry] { due(entry); });
}

void Checker::due(const std::shared_ptr<Entry>& entry) {
    waiting_.push_back(entry);
    run_waiting();
}

void Checker::run_waiting() {
    while (running_ < max_concurrent_ && !waiting_.empty()) {
        const std::shared_ptr<Entry> entry = waiting_.front();
        waiting_.pop_front();
        if (!entry->is_retired) {
            run(entry);
        }
    }
}

void Checker::run(const std::shared_ptr<Entry>& entry) {
    const auto lag =
        std::max<std::chrono::nanoseconds>(Clock::now() - entry->due, std::chrono::nanoseconds(0));
    entry->report.lag = lag;
    note_lag(lag);
    lateness_.watch(++running_ > 0);
    const Target& target = entry->target;
    entry->check =
        start_check(loop_,
                    target.address,
                    target.port,
                    target.health,
                    {closings_, &lateness_},
                    [this, entry](const CheckResult& result) { finished(entry, result); });
}

void Checker::finished(const std::shared_ptr<Entry>& entry, const CheckResult& result) {
    entry->check.reset();
    --running_;
    Report& report = entry->report;
    ++report.outcomes[static_cast<std::size_t>(result.outcome)];
    report.has_result = true;
    report.last = result;
    report.last_time = std::chrono::system_clock::now();
    if (result.outcome != Outcome::kDiscarded) {
        durations_.add(result.duration);
        judge(entry, result);
    }
    const bool is_hurried = entry->state.is_undecided() && result.outcome == Outcome::kOk;
    if (is_hurried) {
        entry->due = Clock::now();
        waiting_.push_back(entry);
    } else {
        schedule(entry, entry->due);
    }
    tell_report(entry);
    run_waiting();
    lateness_.watch(running_ > 0);
}

void Checker::judge(const std::shared_ptr<Entry>& entry, const CheckResult& result) {
    if (result.outcome == Outcome::kOk) {
        entry->state.pass();
    } else {
        entry->state.fail();
    }
    if (entry->state.health() != entry->report.health) {
        entry->report.health = entry->state.health();
        announce(entry, result.text);
    }
}

void Checker::tell_report(const std::shared_ptr<Entry>& entry, bool is_target) {
    if (on_report_) {
        on_report_(entry->target, is_target ? &entry->report : nullptr);
    }
}

void Checker::announce(const std::shared_ptr<Entry>& entry, std::string why) {
    entry->report.since = std::chrono::system_clock::now();
    loop::post(loop_, [this, entry, health = entry->report.health, why = std::move(why)] {
        if (!entry->is_retired) {
            on_transition_(entry->target, health, why);
        }
    });
}

// Pending operations hold the entry still; none of them touches the checker any more.
void Checker::retire(const std::shared_ptr<Entry>& entry) noexcept {
    entry->is_retired = true;
    entry->timer.cancel();
    if (entry->check != nullptr) {
        entry->check->cancel();
        entry->check.reset();
        --running_;
    }
}

void Checker::note_lag(std::chrono::nanoseconds lag) {
    const Clock::time_point now = Clock::now();
    if (now - lag_.begin >= kLagWindow) {
        lag_.previous =
            now - lag_.begin < 2 * kLagWindow ? lag_.highest : std::chrono::nanoseconds(0);
        lag_.highest = std::chrono::nanoseconds(0);
        lag_.begin = now;
    }
    lag_.highest = std::max(lag_.highest, lag);
}

std::chrono::nanoseconds Checker::lag() const noexcept {
    return std::max(lag_.highest, lag_.previous);
}

const Report* Checker::report(std::string_view service, std::string_view backend) const {
    const auto found = entries_.find(Name(service, backend));
    return found == entries_.end() ? nullptr : &found->second->report;
}

void Checker::for_each(const std::function<void(const Target&, const Report&)>& visit) const {
    for (const auto& [name, entry] : entries_) {
        visit(entry->target, entry->report);
    }
}

}  // namespace fairlead::health
