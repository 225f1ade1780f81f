#include "ctl/publish/ranges.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace fairlead::publish {

Status check_ranges(const std::vector<DesiredService>& services) {
    std::vector<const DesiredService*> ranges;
    for (const DesiredService& service : services) {
        if (service.last_port != 0) {
            ranges.push_back(&service);
        }
    }
    std::sort(ranges.begin(), ranges.end(), [](const DesiredService* a, const DesiredService* b) {
        return std::tie(a->vip, a->protocol, a->port) < std::tie(b->vip, b->protocol, b->port);
    });
    const auto overlap = std::adjacent_find(
        ranges.begin(), ranges.end(), [](const DesiredService* a, const DesiredService* b) {
            return a->vip == b->vip && a->protocol == b->protocol && b->port <= a->last_port;
        });
    if (overlap == ranges.end()) {
        return {};
    }
    return fail("services \"" + (*overlap)->name + "\" and \"" + (*(overlap + 1))->name +
                "\" have ports of one VIP and protocol in common");
}

void arrange_ranges(std::vector<shm::ServiceRecord>& ranges,
                    std::vector<shm::ServiceRecord>& records) {
    std::vector<const shm::ServiceRecord*> order;
    order.reserve(ranges.size());
    for (const shm::ServiceRecord& range : ranges) {
        order.push_back(&range);
    }
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
        return std::tuple(a->vip, a->protocol, a->port.host()) <
               std::tuple(b->vip, b->protocol, b->port.host());
    });
    std::vector<shm::ServiceRecord> sorted;
    sorted.reserve(ranges.size());
    for (const shm::ServiceRecord* range : order) {
        sorted.push_back(*range);
    }
    ranges = std::move(sorted);
    const auto by_vip = [](const auto& a, const auto& b) {
        return a.vip < b.vip;
    };
    for (shm::ServiceRecord& mark : records) {
        if (mark.protocol == shm::kVipMark) {
            const auto [first, last] = std::equal_range(ranges.begin(), ranges.end(), mark, by_vip);
            mark.range_first = static_cast<std::uint32_t>(first - ranges.begin());
            mark.range_count = static_cast<std::uint16_t>(last - first);
        }
    }
}

}  // namespace fairlead::publish
