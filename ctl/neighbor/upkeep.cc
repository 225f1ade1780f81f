#include "ctl/neighbor/upkeep.h"

#include <algorithm>

namespace fairlead::neighbor {

namespace {

using namespace std::chrono_literals;

constexpr Clock::duration kAskAgain = 1s;
// What has been missing for longer than kSoonFor: about as often as the kernel asks by itself.
constexpr Clock::duration kAskLater = 5s;
constexpr Clock::duration kSoonFor = 10s;
constexpr Clock::duration kVerifyAgain = 10s;
constexpr Clock::duration kAtRest = 24h;  // nothing to do before the kernel tells something

[[nodiscard]] Clock::time_point lost_at(const Watched& watched) {
    return std::max(watched.answered, watched.needed) + kLostAfter;
}

[[nodiscard]] Decision decide_missing(const Watched& watched, Clock::time_point now) {
    const Clock::duration pause = now - watched.missing < kSoonFor ? kAskAgain : kAskLater;
    // A question of the kernel's that is under way is not disturbed.
    const bool is_under_way = watched.entry && watched.entry->is_managed &&
                              watched.entry->state == Reachability::kIncomplete;
    const Clock::time_point due = watched.asked + (is_under_way ? kAskLater : pause);
    const Action action = now >= due ? Action::kSolicit : Action::kNone;
    Clock::time_point next = action == Action::kNone ? due : now + pause;
    if (const Clock::time_point lost = lost_at(watched); lost > now) {
        next = std::min(next, lost);
    }
    return {action, next};
}

[[nodiscard]] Decision decide_known(const Watched& watched,
                                    const NeighborEntry& entry,
                                    Clock::time_point now) {
    const bool is_stale = entry.state == Reachability::kStale;
    const bool is_old = now - entry.confirmed >= kVerifyAfter;
    // The kernel asks, or is about to: its verdict comes as an event.
    const bool is_under_way =
        entry.state == Reachability::kProbe || entry.state == Reachability::kDelay;
    Decision decision{Action::kNone, is_old ? now + kVerifyAgain : entry.confirmed + kVerifyAfter};
    if (is_stale || (is_old && !is_under_way)) {
        decision.action = Action::kVerify;
    } else if (!entry.is_managed) {
        decision.action = Action::kSolicit;
    }
    if (decision.action != Action::kNone) {
        const Clock::duration pause =
            decision.action == Action::kSolicit || is_stale ? kAskAgain : kVerifyAgain;
        const Clock::time_point due = watched.asked + pause;
        decision.next = now >= due ? now + pause : due;
        decision.action = now >= due ? decision.action : Action::kNone;
    }
    if (const Clock::time_point lost = lost_at(watched); lost > now) {
        decision.next = std::min(decision.next, lost);
    }
    return decision;
}

}  // namespace

void observe(Watched& watched, const std::optional<NeighborEntry>& entry, Clock::time_point now) {
    const bool had_mac = watched.has_mac();
    watched.entry = entry;
    if (!watched.has_mac()) {
        watched.missing = had_mac ? now : watched.missing;
        return;
    }
    // A time that the kernel has made up (event.h) is older than what is known already.
    watched.answered = std::max(watched.answered, std::min(entry->confirmed, now));
}

Decision decide(const Watched& watched, Clock::time_point now) {
    if (watched.is_permanent()) {
        return {Action::kNone, now + kAtRest};
    }
    if (!watched.can_be_asked) {
        const Clock::time_point lost = lost_at(watched);
        return {Action::kNone, lost > now ? lost : now + kAtRest};
    }
    if (!watched.has_mac()) {
        return decide_missing(watched, now);
    }
    return decide_known(watched, *watched.entry, now);
}

bool is_lost(const Watched& watched, Clock::time_point now) {
    return !watched.is_permanent() && now >= lost_at(watched);
}

}  // namespace fairlead::neighbor
