#include "dp/engine/vip_mirror.h"

#include <array>
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

std::vector<IpAddress> addresses_of(std::span<const steer_address> vips) {
    std::vector<IpAddress> addresses;
    for (const steer_address& vip : vips) {
        std::array<std::uint8_t, 16> bytes{};
        std::memcpy(bytes.data(), vip.bytes, bytes.size());
        addresses.push_back(IpAddress::from_v6(bytes));
    }
    return addresses;
}

}  // namespace fairlead::engine
