// Services of a range of ports: which of them cannot stand together, and their runs in a snapshot.
#pragma once

#include <vector>

#include "ctl/publish/publisher.h"

namespace fairlead::publish {

// Error: two services of one VIP and protocol whose ranges share a port.
[[nodiscard]] Status check_ranges(const std::vector<DesiredService>& services);

// Sorts `ranges` as the snapshot wants them, and sets in each mark among `records` where the run of
// its VIP is (dp/shm/tables.h, SnapshotHeader).
void arrange_ranges(std::vector<shm::ServiceRecord>& ranges,
                    std::vector<shm::ServiceRecord>& records);

}  // namespace fairlead::publish
