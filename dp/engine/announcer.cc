#include "dp/engine/announcer.h"

#include <algorithm>
#include <utility>

namespace fairlead::engine {
namespace {

bool is_among(const std::vector<IpAddress>& sorted, const IpAddress& vip) {
    return std::binary_search(sorted.begin(), sorted.end(), vip);
}

}  // namespace

void Announcer::follow(std::vector<IpAddress> vips,
                       std::vector<MacAddress> macs,
                       Clock::time_point now) {
    std::sort(vips.begin(), vips.end());
    const bool are_all_due = macs != macs_;
    std::erase_if(due_, [&](const Due& due) { return are_all_due || !is_among(vips, due.vip); });
    // In front: what waits for its second time is due later.
    std::size_t place = 0;
    while (place < due_.size() && due_[place].at <= now) {
        ++place;
    }
    std::vector<Due> fresh;
    for (const IpAddress& vip : vips) {
        if (are_all_due || !is_among(vips_, vip)) {
            fresh.push_back({vip, kAnnouncements, now});
        }
    }
    due_.insert(due_.begin() + static_cast<std::ptrdiff_t>(place), fresh.begin(), fresh.end());
    vips_ = std::move(vips);
    macs_ = std::move(macs);
}

void Announcer::repeat(Clock::time_point now) {
    due_.clear();
    for (const IpAddress& vip : vips_) {
        due_.push_back({vip, kAnnouncements, now});
    }
}

void Announcer::turn(AnnouncementQueue& queue, Clock::time_point now) {
    if (due_.empty() || due_.front().at > now || !queue.push(due_.front().vip)) {
        return;
    }
    Due done = due_.front();
    due_.pop_front();
    if (--done.left != 0) {
        done.at = now + kAnnouncementInterval;
        due_.push_back(done);
    }
}

}  // namespace fairlead::engine
