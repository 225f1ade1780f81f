// Fragmented pings of a VIP: each piece is sent back by itself, so nothing is put together.
//
// Theory of operation
//
// A reply is its request with another ICMP type and the addresses exchanged, so the pieces of the
// reply are the pieces of the request, with the same identification and offsets, and the client
// puts them together. The ICMP checksum stands in the first piece; it is corrected for the type
// alone (RFC 1624), and over IPv6 the pseudo-header's sum stays, since it is symmetric in the
// addresses (RFC 8200, 8.1). So a reply is right exactly if its request was; nobody can verify a
// request whose pieces are never together.
//
//     E1. The first piece decides by echo.h's policy. Its entry in the fragment table lets each
//         other piece pass once, or refuses it for the same reason.
//     E2. Every piece is a reply, counted and paid for at the reply limit: what is bounded is how
//         many packets leave. One over the limit ends its datagram, whose rest would be in vain.
//     E3. What leaves is no larger than what came: IPv4 options and the IPv6 extension headers
//         before the fragment header stay behind. A piece larger than the port's MTU is too_big.
//     E4. An extension header behind the fragment header would shift the offsets if it stayed
//         behind: kExtensionHeader.
//
// The caller, fragment.cc, has checked extents, and holds the bucket of the datagram.
#pragma once

#include "dp/forward/fragments/fragment_piece.h"
#include "dp/forward/pipeline.h"
#include "dp/shm/drop_reason.h"

namespace fairlead {

[[nodiscard]] bool is_icmp(const Piece& piece, bool is_v6) noexcept;

// Whether the entry is a ping's. Requires one that is not empty.
[[nodiscard]] bool is_ping(const FragmentEntry& entry) noexcept;

// Whether the first of several pieces is of a ping that is answered, or why not.
[[nodiscard]] DropReason check_ping(const ForwardContext& context,
                                    const Piece& piece,
                                    bool is_v6) noexcept;

// Sends a piece back, or says why not. Requires one of a datagram that check_ping() allowed.
void answer_piece(ForwardContext& context,
                  Packet& packet,
                  const Piece& piece,
                  bool is_v6,
                  Verdict& verdict) noexcept;

}  // namespace fairlead
