// The flow hash of bpf/abi in this code's types: a connection's five-tuple to 64 bits.
//
// The low 32 bits choose buckets of a flow table, the high 32 bits are the signature and choose the
// slot of a ring; no bit serves both, or the flows of a bucket would share their signatures' bits.
#pragma once

#include <array>
#include <cstdint>

#include "bpf/abi/flow_hash.h"
#include "dp/net/big_endian.h"

namespace fairlead {

struct TransportKey {
    Be16 source_port;
    Be16 destination_port;
    std::uint8_t protocol = 0;
};

[[nodiscard]] inline std::uint64_t flow_hash_v4(std::uint64_t seed,
                                                Be32 source,
                                                Be32 destination,
                                                TransportKey key) noexcept {
    return fl_flow_hash_v4(seed,
                           source.raw(),
                           destination.raw(),
                           key.source_port.raw(),
                           key.destination_port.raw(),
                           key.protocol);
}

[[nodiscard]] inline std::uint64_t flow_hash_v6(std::uint64_t seed,
                                                const std::array<std::uint8_t, 16>& source,
                                                const std::array<std::uint8_t, 16>& destination,
                                                TransportKey key) noexcept {
    return fl_flow_hash_v6(seed,
                           source.data(),
                           destination.data(),
                           key.source_port.raw(),
                           key.destination_port.raw(),
                           key.protocol);
}

// The hash of the first `prefix_bits` bits of a client's address: 4 bytes at `source`, or 16.
[[nodiscard]] inline std::uint64_t source_hash(std::uint64_t seed,
                                               const std::uint8_t* source,
                                               bool is_v6,
                                               std::uint8_t prefix_bits) noexcept {
    return is_v6 ? fl_source_hash_v6(seed, source, prefix_bits)
                 : fl_source_hash_v4(seed, source, prefix_bits);
}

// The slot of a ring of `entries` slots, below `entries`. Requires entries != 0.
[[nodiscard]] inline std::uint32_t ring_slot(std::uint64_t hash, std::uint32_t entries) noexcept {
    return fl_ring_slot(hash, entries);
}

}  // namespace fairlead
