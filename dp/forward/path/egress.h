// What every way out of a port has in common.
#pragma once

#include <algorithm>
#include <cstdint>

#include "dp/base/read_once.h"
#include "dp/forward/pipeline.h"
#include "dp/net/parse.h"
#include "dp/shm/tables.h"

namespace fairlead {

inline constexpr std::uint32_t kEthernetBytes = sizeof(EthernetHeader);
// What fits into an IP header's length field, whatever MTU the tables claim.
inline constexpr std::uint32_t kMaxIpBytes = 65'535;

inline void write_macs(std::uint8_t* frame,
                       shm::BackendWord word,
                       const shm::PortRecord& port) noexcept {
    auto& ethernet = header_at<EthernetHeader>(frame);
    ethernet.destination = word.mac();
    ethernet.source = port.mac;
}

// The largest IP packet, outer headers included, that goes from this port to this backend.
[[nodiscard]] inline std::uint32_t path_mtu(const shm::PortRecord& port,
                                            const shm::BackendRecord& backend) noexcept {
    // Pairs with the daemon's relaxed store: the number alone counts (tables.h, whole-words).
    const std::uint32_t path = backend.path_mtu_bytes.load(std::memory_order_relaxed);
    return std::min({read_once(port.mtu_bytes), path, kMaxIpBytes});
}

[[nodiscard]] inline bool fits(std::uint16_t ip_bytes, const shm::PortRecord& port) noexcept {
    return ip_bytes <= read_once(port.mtu_bytes);
}

}  // namespace fairlead
