#include "ctl/agent/drop_report.h"

namespace fairlead::agent {

DropReport::DropReport(const DecapCounters& before) {
    for (std::size_t index = 0; index < before.size(); ++index) {
        told_.at(index).total = before.at(index);
    }
}

std::vector<DropReport::Line> DropReport::observe(const DecapCounters& counters,
                                                  Clock::time_point now) {
    std::vector<Line> lines;
    for (std::size_t index = 0; index < counters.size(); ++index) {
        const auto outcome = static_cast<decap_outcome>(index);
        Told& told = told_.at(index);
        const std::uint64_t total = counters.at(index);
        if (outcome == DECAP_DECAPSULATED || total == told.total ||
            (told.at && now - *told.at < kInterval)) {
            continue;
        }
        lines.push_back({outcome, total - told.total, total});
        told = {total, now};
    }
    return lines;
}

}  // namespace fairlead::agent
