#include "ctl/daemon/not_checked.h"

#include <cstdint>

#include <fmt/format.h>

namespace fairlead::daemon {

std::string not_checked(health::CheckThread& checker) {
    std::uint64_t checked = 0;
    std::uint64_t failed = 0;
    std::string first;
    checker.for_each([&](const health::Target& target, const health::Report& report) {
        if (target.health.type == conf::CheckType::kNone) {
            return;
        }
        ++checked;
        if (report.has_result && report.last.outcome == health::Outcome::kDiscarded) {
            first = failed == 0 ? report.last.text : first;
            ++failed;
        }
    });
    return failed == 0 ? ""
                       : fmt::format(
                             "{} of {} backends could not be checked when it was their "
                             "turn, and are taken for what they were before: {}",
                             failed,
                             checked,
                             first);
}

}  // namespace fairlead::daemon
