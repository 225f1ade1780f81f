// Finding the service of a port that has none of its own: by the ranges of its VIP, then any port.
#include "dp/shm/snapshot.h"

namespace fairlead::shm {

namespace {

// The order of a run.
[[nodiscard]] std::uint32_t place_of(std::uint8_t protocol, std::uint16_t port) noexcept {
    return std::uint32_t{protocol} << 16U | port;
}

// The last record of `count` that does not begin behind `wanted`, or nullptr. The search is over
// after as many steps as `count` has bits, whatever stands in the records.
[[nodiscard]] const ServiceRecord* last_not_behind(const ServiceRecord* run,
                                                   std::uint32_t count,
                                                   std::uint32_t wanted) noexcept {
    std::uint32_t low = 0;
    std::uint32_t high = count;
    while (low < high) {
        const std::uint32_t middle = low + (high - low) / 2;
        const ServiceRecord& record = run[middle];
        if (place_of(read_once(record.protocol), record.port.host()) <= wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? nullptr : run + (low - 1);
}

}  // namespace

const ServiceRecord* Snapshot::find_service(const IpAddress& vip,
                                            Be16 port,
                                            std::uint8_t protocol) const noexcept {
    const ServiceRecord* const exact = find(vip, port, protocol);
    if (exact != nullptr) {
        return exact;
    }
    const ServiceRecord* const mark = find(vip, Be16{}, kVipMark);
    return mark == nullptr ? nullptr : find_wide(*mark, port, protocol);
}

const ServiceRecord* Snapshot::find_wide(const ServiceRecord& mark,
                                         Be16 port,
                                         std::uint8_t protocol) const noexcept {
    const IpAddress vip = mark.vip;
    const std::uint32_t first = read_once(mark.range_first);
    const std::uint32_t count = read_once(mark.range_count);
    if (count != 0 && first < range_count && count <= range_count - first) {
        const ServiceRecord* const range =
            last_not_behind(ranges + first, count, place_of(protocol, port.host()));
        if (range != nullptr && read_once(range->protocol) == protocol &&
            port.host() <= range->last_port.host() && range->vip == vip) {
            return range;
        }
    }
    return find(vip, Be16{}, protocol);
}

}  // namespace fairlead::shm
