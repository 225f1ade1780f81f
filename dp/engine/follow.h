// The word from the control thread to the workers: which tables, and how far to follow them.
//
// Workers do not look at the daemon's generation themselves: a VIP's packets must reach the engine
// before the daemon may take a generation for applied. Hence vips-before-follow: the control thread
// first mirrors the VIPs of a generation to the interfaces (vip_mirror.h), and only then lets the
// workers follow. So it does with the rings (bpf/abi/steer_away.h, A5). A worker that acknowledges
// G reads the root, which is G's or a later one's (tables.h, root-before-generation).
#pragma once

#include <atomic>
#include <cstdint>

#include "dp/shm/snapshot.h"

namespace fairlead::engine {

struct Follow {
    // Set before the first generation, and changed only while every worker has acknowledged 0: they
    // look at it when the generation changes.
    const shm::TablesReader* tables = nullptr;
    // 0: there is nothing to follow, and no port is polled. Stored with release by the control
    // thread, loaded with acquire by each worker.
    std::atomic<std::uint64_t> generation{0};
    std::atomic<bool> is_stopping{false};
};

}  // namespace fairlead::engine
