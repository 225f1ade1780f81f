// The `flows` segment: the flow tables of all workers, which outlive the engine's process.
//
// Written by lbdp, table i by worker i alone; read by all workers, which look for a flow in each
// other's tables when RSS has moved it. dp/flow gives the entries their meaning; this header gives
// them their place.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "dp/base/cache_line.h"
#include "dp/shm/layout.h"

namespace fairlead::shm {

inline constexpr std::size_t kFlowsPerBucket = 8;
// Raised when an entry's bits or the clock's tick change (dp/flow/flow_entry.h).
inline constexpr std::size_t kFlowEntryFormat = 2;

// One cache line. 0 is an empty entry.
struct alignas(kCacheLineBytes) FlowBucket {
    std::array<std::atomic<std::uint64_t>, kFlowsPerBucket> entries;
};
static_assert(sizeof(FlowBucket) == kCacheLineBytes);

struct alignas(kCacheLineBytes) FlowsHeader {
    SegmentHeader segment;

    // Fixed at creation.
    std::uint32_t tables;
    std::uint32_t reserved0;
    std::uint64_t buckets_per_table;  // a power of two
    std::uint64_t tables_offset;      // FlowBucket[tables][buckets_per_table]
    std::array<std::uint8_t, 40> reserved1;

    // Entries carry ticks of this clock; a new engine goes on where the last one stopped.
    std::atomic<std::uint64_t> last_tick;
    std::array<std::uint8_t, 56> reserved2;
};
static_assert(sizeof(FlowsHeader) == 3 * kCacheLineBytes);

// Raised with every change of meaning that the numbers below would not show. Nothing of `tables` is
// among them but what an entry has bits for, a backend's index and incarnation (kFlowEntryFormat).
inline constexpr std::uint32_t kFlowsVersion = 1;

inline constexpr std::uint32_t kFlowsFingerprint =
    fingerprint_of({kFlowsVersion,
                    sizeof(FlowsHeader),
                    sizeof(FlowBucket),
                    kFlowsPerBucket,
                    kFlowEntryFormat,
                    offsetof(FlowsHeader, buckets_per_table),
                    offsetof(FlowsHeader, last_tick)});

}  // namespace fairlead::shm
