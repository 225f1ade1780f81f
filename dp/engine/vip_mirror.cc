#include "dp/engine/vip_mirror.h"

#include <cstring>

namespace fairlead::engine {

std::vector<steer_address> vips_of(const shm::Snapshot& snapshot) {
    std::vector<steer_address> vips;
    if (snapshot.is_empty()) {
        return vips;
    }
    for (std::uint32_t bucket = 0; bucket <= snapshot.bucket_mask; ++bucket) {
        const shm::ServiceRecord& record = snapshot.buckets[bucket];
        if (record.protocol == shm::kVipMark) {
            steer_address vip{};
            std::memcpy(vip.bytes, record.vip.bytes().data(), sizeof vip.bytes);
            vips.push_back(vip);
        }
    }
    return vips;
}

}  // namespace fairlead::engine
