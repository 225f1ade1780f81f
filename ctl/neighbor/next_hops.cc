#include "ctl/neighbor/next_hops.h"

#include <algorithm>
#include <optional>

namespace fairlead::neighbor {

namespace {

// Questions of one turn of the loop, so that many neighbors at once hold up nobody else.
constexpr std::size_t kDueATurn = 256;
constexpr std::chrono::milliseconds kNextTurn{1};

}  // namespace

NextHops::NextHops(boost::asio::io_context& loop,
                   Kernel& kernel,
                   std::function<bool(int)> can_ask,
                   std::function<void(const NextHop&)> on_change)
    : kernel_(kernel),
      can_ask_(std::move(can_ask)),
      on_change_(std::move(on_change)),
      timer_(loop) {}

void NextHops::need(const NextHop& hop) {
    Known& known = known_[hop];
    if (++known.users > 1) {
        return;
    }
    const Clock::time_point now = Clock::now();
    known.watched.needed = std::min(now, asked_in_vain_since(hop).value_or(now));
    known.watched.missing = now;
    known.watched.can_be_asked = can_ask_(hop.interface_index);
    observe(known.watched, kernel_.neighbor(hop), now);
    decide_about(hop, known);
}

std::optional<Clock::time_point> NextHops::asked_in_vain_since(const NextHop& hop) const {
    const auto former = former_.find(hop);
    return former == former_.end() || former->second.mac ? std::nullopt
                                                         : std::optional(former->second.confirmed);
}

void NextHops::leave(const NextHop& hop) {
    const auto found = known_.find(hop);
    if (found == known_.end() || --found->second.users > 0) {
        return;
    }
    // Its event may still be on the way.
    const std::optional<NeighborEntry> entry = kernel_.neighbor(hop);
    if (entry && entry->is_managed && entry->is_ours) {
        kernel_.release(hop, *entry);
    }
    due_.erase({found->second.due, hop});
    known_.erase(found);
}

const NextHops::Known* NextHops::find(const NextHop& hop) const {
    const auto found = known_.find(hop);
    return found == known_.end() ? nullptr : &found->second;
}

void NextHops::apply(const NeighborChanged& changed) {
    if (const auto found = known_.find(changed.hop); found != known_.end()) {
        update(changed.hop, found->second, changed.entry);
    }
}

void NextHops::interface_changed(int interface_index) {
    const bool can_be_asked = can_ask_(interface_index);
    for (auto next = known_.lower_bound({interface_index, IpAddress{}});
         next != known_.end() && next->first.interface_index == interface_index;
         ++next) {
        Watched& watched = next->second.watched;
        if (watched.can_be_asked != can_be_asked) {
            watched.can_be_asked = can_be_asked;
            watched.asked = {};  // a question that was sent into a dead link asked nobody
            look(next->first, next->second);
        }
    }
}

bool NextHops::read_again() {
    // What follows asks the kernel, which is not done while it answers.
    std::map<NextHop, std::optional<NeighborEntry>> told;
    const bool is_whole = kernel_.read_neighbors([&](const Event& event) {
        const auto* const changed = std::get_if<NeighborChanged>(&event);
        if (changed != nullptr && known_.contains(changed->hop)) {
            told[changed->hop] = changed->entry;
        }
    });
    for (auto& [hop, known] : known_) {
        const auto entry = told.find(hop);
        if (entry != told.end()) {
            update(hop, known, entry->second);
        } else if (is_whole) {
            update(hop, known, std::nullopt);
        }
    }
    return is_whole;
}

void NextHops::find_former() {
    (void)kernel_.read_neighbors([&](const Event& event) {
        const auto* const changed = std::get_if<NeighborChanged>(&event);
        if (changed != nullptr && changed->entry && changed->entry->is_managed &&
            changed->entry->is_ours) {
            former_[changed->hop] = *changed->entry;
        }
    });
}

void NextHops::release_former() {
    for (const auto& [hop, entry] : former_) {
        if (!known_.contains(hop)) {
            kernel_.release(hop, entry);
        }
    }
    former_.clear();
}

// What the kernel's own packets confirm it does not tell: it is asked before anything follows.
void NextHops::look(const NextHop& hop, Known& known) {
    update(hop, known, kernel_.neighbor(hop));
}

void NextHops::update(const NextHop& hop, Known& known, const std::optional<NeighborEntry>& entry) {
    const std::optional<MacAddress> former_mac =
        known.watched.has_mac() ? known.watched.entry->mac : std::nullopt;
    const bool was_lost = known.is_lost;
    const bool was_failed =
        known.watched.entry && known.watched.entry->state == Reachability::kFailed;
    observe(known.watched, entry, Clock::now());
    decide_about(hop, known);
    const bool is_failed = entry && entry->state == Reachability::kFailed;
    if (former_mac != (entry ? entry->mac : std::nullopt) || was_lost != known.is_lost ||
        was_failed != is_failed) {
        on_change_(hop);
    }
}

void NextHops::decide_about(const NextHop& hop, Known& known) {
    const Clock::time_point now = Clock::now();
    const Decision decision = decide(known.watched, now);
    if (decision.action != Action::kNone) {
        known.watched.asked = now;
        const Status asked =
            decision.action == Action::kVerify ? kernel_.verify(hop) : kernel_.solicit(hop);
        known.refused = asked ? "" : asked.error().message;
    }
    known.is_lost = is_lost(known.watched, now);
    due_.erase({known.due, hop});
    known.due = decision.next;
    due_.insert({known.due, hop});
    wake();
}

void NextHops::wake() {
    const Clock::time_point next = due_.begin()->first;
    if (next < wakes_at_) {
        wakes_at_ = next;
        timer_.at(next, [this] { on_due(); });
    }
}

void NextHops::on_due() {
    const Clock::time_point now = Clock::now();
    std::size_t done = 0;
    while (!due_.empty() && due_.begin()->first <= now && done < kDueATurn) {
        const NextHop hop = due_.begin()->second;
        look(hop, known_.at(hop));
        ++done;
    }
    wakes_at_ = Clock::time_point::max();
    if (!due_.empty()) {
        const Clock::time_point next = std::max(due_.begin()->first, now + kNextTurn);
        wakes_at_ = next;
        timer_.at(next, [this] { on_due(); });
    }
}

}  // namespace fairlead::neighbor
