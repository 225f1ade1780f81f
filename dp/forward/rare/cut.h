// IPv4 packets that may be fragmented and do not fit: cut first, then encapsulated, so that the
// backend's kernel puts them together and no tunnel carries fragments of itself.
//
// A packet is one Packet and one Verdict everywhere else. What more comes of it goes into spare
// buffers that the caller has left in the context (SparePacket): the packet itself becomes the
// first piece, each other piece takes a spare. The caller sends context.spares[0 .. spares_used)
// after forward_burst(), and sets spares_used back to 0.
//
// Pieces (RFC 791, 3.2): all but the last as large as fits, in multiples of 8 bytes; offsets count
// on from the packet's own, if it is a piece itself; the last keeps its More Fragments;
// identification as it was; options that are not marked as copied stay with the datagram's first
// piece. TTL and tunnel are rewrite's work, for each piece as for any packet.
#pragma once

#include "dp/forward/path/classify.h"
#include "dp/forward/pipeline.h"
#include "dp/forward/verdict.h"

namespace fairlead {

// Requires a packet that rewrite_burst() refused as kTooBig, unchanged. Leaves the verdict as it is
// for IPv6, with Don't Fragment, without any spares, and where not even 8 bytes fit; kNoSpareBuffer
// where there are too few spares, or too small ones. The packet is changed only if all of it is
// sent.
void cut_and_send(ForwardContext& context,
                  Packet& packet,
                  const PacketFacts& facts,
                  Verdict& verdict) noexcept;

}  // namespace fairlead
