// What every shared segment begins with, and how two programs find out that they agree on it.
//
// A segment is a file in the run directory, written by one program and mapped read-only by the
// other:
//
//     tables      lbd writes, lbdp reads      what the engine needs to decide         (tables.h)
//     telemetry   lbdp writes, lbd reads      counters, acknowledgements, heartbeat   (telemetry.h)
//     flows       lbdp writes, lbdp reads     flow tables, outlive the process        (flows.h)
//
// All structs are standard layout, trivially copyable but for their atomics, with padding spelled
// out; positions are offsets from the segment's start, never pointers. A file is complete before it
// gets its name, and is never truncated or replaced while it may be mapped. Its size is fixed at
// creation by the capacities in its header; the file is sparse, and its writer allocates what it
// uses. The writer holds an open-file-description lock on its segment for as long as it lives,
// which is what "live" means to the other side.
//
// Each kind has a layout of its own: a version, and a fingerprint of its sizes and offsets. A new
// layout of one leaves the files of the others as they are.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "dp/base/cache_line.h"

namespace fairlead::shm {

inline constexpr std::array<char, 16> kTablesMagic{"fairlead-tables"};
inline constexpr std::array<char, 16> kTelemetryMagic{"fairlead-tlmtry"};
inline constexpr std::array<char, 16> kFlowsMagic{"fairlead-flows\0"};

struct SegmentHeader {
    std::array<char, 16> magic{};
    std::uint32_t layout_version = 0;  // of this kind of segment: SegmentKind::version
    std::uint32_t fingerprint = 0;     // of all sizes and offsets, computed by the compiler
    std::uint64_t size_bytes = 0;
    std::uint64_t instance = 0;     // random, never 0: another value means another file
    std::array<char, 24> writer{};  // version of the program that made it, for messages only
};
static_assert(sizeof(SegmentHeader) == kCacheLineBytes);

// FNV-1a over a list of numbers, for the layout's fingerprint.
[[nodiscard]] constexpr std::uint32_t fingerprint_of(
    std::initializer_list<std::size_t> numbers) noexcept {
    std::uint32_t hash = 0x811C'9DC5U;
    for (const std::size_t number : numbers) {
        for (unsigned shift = 0; shift < 32; shift += 8) {
            hash = (hash ^ (static_cast<std::uint32_t>(number >> shift) & 0xFFU)) * 0x0100'0193U;
        }
    }
    return hash;
}

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

}  // namespace fairlead::shm
