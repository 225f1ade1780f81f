// The answer to a ping of a VIP (RFC 792; RFC 4443, 4.2).
//
// The payload stays where it is; the ICMP checksum is corrected for the changed type alone, so a
// reply is right exactly if its request was, of any length. (The request's has been verified
// before.) The reply carries no options or extension headers, ToS or traffic class of the request,
// and for IPv4 no Don't Fragment: no host behind the VIP would learn of a smaller path.
#pragma once

#include "dp/forward/classify.h"
#include "dp/forward/pipeline.h"
#include "dp/net/ip_view.h"

namespace fairlead {

// For a whole echo request to a VIP with a right checksum, `message` being its ICMP part. Where the
// VIP does not answer: echo_refused.
void answer_echo(ForwardContext& context,
                 Packet& packet,
                 const IpView& view,
                 std::span<std::uint8_t> message,
                 Verdict& verdict) noexcept;

}  // namespace fairlead
