#include "ctl/agent/watch_report.h"

#include <utility>

namespace fairlead::agent {

void WatchReport::mended(const std::string& what, std::string detail) {
    Changes& changes = changes_[what];
    ++changes.untold;
    ++changes.total;
    changes.detail = std::move(detail);
}

void WatchReport::problem(const std::string& what, std::string detail, Level level) {
    Problem& problem = problems_[what];
    problem.detail = std::move(detail);
    problem.level = level;
    problem.is_over = false;
}

void WatchReport::no_problem(const std::string& what) {
    if (const auto found = problems_.find(what); found != problems_.end()) {
        found->second.is_over = true;
    }
}

bool WatchReport::is_due(const Problem& problem, Clock::time_point now) {
    if (problem.told.empty()) {
        return true;
    }
    return now - problem.told_at >= (problem.told == problem.detail ? kReminder : kInterval);
}

std::vector<WatchReport::Line> WatchReport::lines(Clock::time_point now) {
    std::vector<Line> lines;
    for (auto& [what, changes] : changes_) {
        if (changes.untold == 0 || (changes.told_at && now - *changes.told_at < kInterval)) {
            continue;
        }
        lines.push_back(
            {Kind::kMended, what, changes.detail, std::exchange(changes.untold, 0), changes.total});
        changes.told_at = now;
    }
    for (auto entry = problems_.begin(); entry != problems_.end();) {
        auto& [what, problem] = *entry;
        // One that comes and goes all the time is told no more often than a change.
        if (problem.is_over && (problem.told.empty() || now - problem.told_at >= kInterval)) {
            if (!problem.told.empty()) {
                lines.push_back({Kind::kOver, what, problem.told});
            }
            entry = problems_.erase(entry);
            continue;
        }
        if (!problem.is_over && is_due(problem, now)) {
            lines.push_back({problem.level == Level::kWarning ? Kind::kWarning : Kind::kError,
                             what,
                             problem.detail});
            problem.told = problem.detail;
            problem.told_at = now;
        }
        ++entry;
    }
    return lines;
}

}  // namespace fairlead::agent
