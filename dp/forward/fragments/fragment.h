// Fragments of datagrams for a VIP: all of them to the backend of the first one, in any order.
//
// A fragment is refused, in this order:
//
//     kBadFragment       no payload; one that is not the last and no multiple of 8 bytes long
//                        (RFC 791, 3.2; RFC 8200, 4.5); past 65,535 bytes (RFC 8200, 4.5)
//     kTinyFragment      the first without the whole transport header (RFC 1858, 3.1; RFC 3128;
//                        RFC 7112, 5); a later one inside TCP's fixed header (RFC 1858, 3.2)
//     kUnsupportedProtocol, kNoService, kNoBackend ...   as for any other packet
//     kFragmentOverlap   it repeats or contradicts what went before (RFC 5722; RFC 8200, 4.5), as
//                        far as piece_set.h can tell: a repetition alone, after a contradiction
//                        everything that still comes of the datagram
//
// A ping in pieces is answered piece by piece (echo_pieces.h).
//
// A later fragment that comes before its first one gets Action::kHold: the caller keeps it,
// unchanged, and offers it again soon (held_packets.h). So does one whose bucket another worker is
// in.
//
// An IPv6 fragment that is a whole datagram ("atomic", RFC 6946) is no piece of anything: it goes
// by its ports and leaves no entry.
#pragma once

#include "dp/forward/path/classify.h"
#include "dp/forward/pipeline.h"
#include "dp/forward/rare/extension.h"
#include "dp/forward/verdict.h"

namespace fairlead {

// Requires packets that classify_burst() refused as kFragment, or, for IPv6, whose chain has a
// fragment header. Unchanged packets of a VIP, with sound IP headers. Without a fragment table the
// verdict stays kFragment.
void forward_fragment_v4(ForwardContext& context,
                         Packet& packet,
                         PacketFacts& facts,
                         Verdict& verdict) noexcept;
void forward_fragment_v6(ForwardContext& context,
                         Packet& packet,
                         const HeaderChain& chain,
                         PacketFacts& facts,
                         Verdict& verdict) noexcept;

}  // namespace fairlead
