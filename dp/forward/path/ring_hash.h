// What chooses the slot of a service's ring: the flow, or, where clients are to stay with one
// backend, the client alone (bpf/abi/flow_hash.h, "Source hash"). Whoever looks into a ring asks
// here, so that a flow's first packet, its fragments, the ICMP errors about it and a trace agree.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dp/base/read_once.h"
#include "dp/flow/flow_hash.h"
#include "dp/forward/path/classify.h"
#include "dp/forward/pipeline.h"
#include "dp/net/headers.h"

namespace fairlead {

// The client's address where it stands in a packet for a service: its source.
[[nodiscard]] inline const std::uint8_t* client_of(const Packet& packet, bool is_v6) noexcept {
    return packet.data + sizeof(EthernetHeader) +
           (is_v6 ? offsetof(Ipv6Header, source) : offsetof(Ipv4Header, source));
}

// Requires facts.service and facts.hash. `client` are the bytes of the client's address, of the
// packet's family: 4 or 16.
[[nodiscard]] inline std::uint64_t ring_hash(std::uint64_t seed,
                                             const PacketFacts& facts,
                                             const std::uint8_t* client) noexcept {
    const std::uint8_t prefix_bits = read_once(facts.service->source_prefix_bits);
    return prefix_bits == 0 ? facts.hash : source_hash(seed, client, facts.is_v6, prefix_bits);
}

}  // namespace fairlead
