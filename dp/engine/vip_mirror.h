// Keeps the steering programs' map of VIPs equal to the VIPs of `tables`.
//
// Thread: the control thread. The snapshot that is read stays valid meanwhile, since no worker
// acknowledges a later generation than the control thread lets it (vips-before-follow,
// acknowledged-before-reuse).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bpf/loader/steer_loader.h"
#include "dp/base/result.h"
#include "dp/shm/snapshot.h"

namespace fairlead::engine {

// The addresses that `snapshot` marks as VIPs, in the map's form. Empty for an empty snapshot.
[[nodiscard]] std::vector<steer_address> vips_of(const shm::Snapshot& snapshot);
[[nodiscard]] std::vector<IpAddress> addresses_of(std::span<const steer_address> vips);

}  // namespace fairlead::engine
