// What holds for every packet that dp/forward has decided, whatever came: for fuzzers, which have
// no expectation of a single packet.
#pragma once

#include <cstdint>
#include <span>

#include "dp/forward/pipeline.h"

namespace fairlead::testing {

// A packet as it was offered.
struct Offered {
    std::span<const std::uint8_t> frame;         // a copy
    const std::uint8_t* buffer_start = nullptr;  // where its headroom began
    std::uint32_t headroom = 0;
};

// nullptr, or what is broken of:
//   - the packet lies inside its buffer
//   - a drop has a reason, nothing else has one
//   - what is not transmitted is unchanged, byte for byte
//   - what is transmitted has right lengths and a right IPv4 header checksum; behind the outer
//     headers stands what came, but for TTL and header checksum; the UDP checksum of GUE over IPv6
//     is right where the client's own was
//   - the balancer's own answer is no longer than what asked for it and an error's headers, and its
//     checksums are right
[[nodiscard]] const char* what_is_wrong(const Offered& offered,
                                        const Packet& packet,
                                        const Verdict& verdict) noexcept;

// The same for a piece of a packet that was cut, of which no original is at hand.
[[nodiscard]] const char* what_is_wrong_with_ip(const Packet& packet) noexcept;

// What each worker's counters must add up to.
struct Tally {
    std::uint64_t offered = 0;
    std::uint64_t held = 0;  // offered, and not decided yet
};
[[nodiscard]] const char* what_is_wrong_with_counters(const shm::WorkerBlock& worker,
                                                      const Tally& tally,
                                                      std::uint64_t transmitted) noexcept;

}  // namespace fairlead::testing
