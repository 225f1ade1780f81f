// One fragment of a datagram for a VIP, of either family, as fragment.cc has read it.
//
// Memory: `payload` points into the packet. Bytes, counted from the first of the datagram's
// fragmentable part.
#pragma once

#include <cstdint>

#include "dp/flow/flow_hash.h"
#include "dp/forward/fragments/fragment_table.h"

namespace fairlead {

struct Piece {
    FragmentKey key;
    std::uint8_t* payload = nullptr;   // of the first: the transport header
    std::uint32_t payload_bytes = 0;   // of the first: from the transport header on
    std::uint32_t offset = 0;          // in the datagram's fragmentable part
    std::uint32_t bytes = 0;           // of the fragmentable part
    std::uint32_t unfragmentable = 0;  // bytes before it that count for the limit
    std::uint8_t protocol = 0;
    bool has_more = false;
    TransportKey ports;  // of the first, once they are read
};

}  // namespace fairlead
