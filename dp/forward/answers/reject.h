// A VIP that says no: what no service takes is refused aloud where the VIP's policy is to reject
// (shm::VipPolicy), so that the client need not wait for its own timeout.
//
//     TCP   a reset by RFC 9293, 3.10.7.1 (the state CLOSED); none for a reset
//     UDP   "port unreachable" (icmp_error.h)
//
// A segment or datagram with a wrong checksum gets no answer: its ports may not be what was sent.
#pragma once

#include "dp/forward/path/classify.h"
#include "dp/forward/pipeline.h"

namespace fairlead {

// For a packet that classify refused as no_service.
void answer_no_service(ForwardContext& context,
                       Packet& packet,
                       const PacketFacts& facts,
                       Verdict& verdict) noexcept;

}  // namespace fairlead
