#include "ctl/daemon/mass_failure.h"

#include <utility>

#include <fmt/format.h>

namespace fairlead::daemon {

using model::Health;

void MassFailure::set(Entry& entry, const Entry& to) {
    const auto add = [this](const Entry& of, std::size_t number) {
        not_recovered_ += of.failed_at ? number : 0;
        well_ += of.serves && !of.failed_at ? number : 0;
    };
    add(entry, std::size_t{0} - 1);
    add(to, 1);
    entry = to;
}

void MassFailure::follow(const model::Model& model) {
    hold_ = model.config().node.mass_failure_hold;
    std::map<model::BackendKey, Entry> former = std::exchange(entries_, {});
    not_recovered_ = 0;
    well_ = 0;
    for (const model::Service& service : model.services()) {
        if (service.config.health.type == conf::CheckType::kNone) {
            continue;
        }
        for (const model::Backend& backend : service.backends) {
            if (!backend.is_checked()) {
                continue;
            }
            const model::BackendKey key{service.config.name, backend.name};
            const auto was = former.find(key);
            set(entries_[key],
                was == former.end() ? Entry{takes_new_flows(backend.health), {}} : was->second);
        }
    }
}

bool MassFailure::note(const model::BackendKey& backend,
                       Health health,
                       std::chrono::milliseconds within,
                       Clock::time_point now) {
    const auto found = entries_.find(backend);
    if (found == entries_.end()) {
        return false;
    }
    Entry next = found->second;
    const bool fails = health == Health::kFalling || health == Health::kDown;
    const bool is_first = fails && next.serves && !next.failed_at;
    next.serves = takes_new_flows(health);
    if (is_first) {
        next.failed_at = now;
    } else if (health == Health::kUp || health == Health::kUnchecked) {
        next.failed_at.reset();
    }
    set(found->second, next);
    is_spent_ = is_spent_ && not_recovered_ >= well_;
    return is_first && begins(within, now);
}

bool MassFailure::begins(std::chrono::milliseconds within, Clock::time_point now) {
    // The second line spares the count while most are well: it is necessary for what is counted.
    if (hold_.count() == 0 || until_ || is_spent_ || not_recovered_ < kLeast ||
        not_recovered_ <= well_) {
        return false;
    }
    std::size_t fresh = 0;
    std::size_t were_up = 0;
    for (const auto& [key, entry] : entries_) {
        const bool is_fresh = entry.failed_at && *entry.failed_at >= now - within;
        fresh += is_fresh ? 1U : 0U;
        were_up += is_fresh || entry.serves ? 1U : 0U;
    }
    if (fresh < kLeast || fresh * 2 <= were_up) {
        return false;
    }
    failed_ = fresh;
    were_up_ = were_up;
    fresh_since_ = now - within;
    until_ = now + hold_;
    is_spent_ = true;
    ++holds_so_far_;
    return true;
}

bool MassFailure::is_over(Clock::time_point now) {
    if (!until_ || now < *until_) {
        return false;
    }
    until_.reset();
    return true;
}

bool MassFailure::is_fresh(const model::BackendKey& backend) const {
    const auto found = entries_.find(backend);
    return found != entries_.end() && found->second.failed_at &&
           *found->second.failed_at >= fresh_since_;
}

std::string MassFailure::problem() const {
    return fmt::format(
        "{} of {} backends that were up have failed their checks at once, so the fault may be this "
        "balancer's own (uplink, firewall): for up to {} s in all no check takes a backend out, "
        "and "
        "then it is as the checks say; see `lbctl health list`",
        failed_,
        were_up_,
        std::chrono::duration_cast<std::chrono::seconds>(hold_).count());
}

}  // namespace fairlead::daemon
