// The answer to a ping of a VIP (RFC 792; RFC 4443, 4.2).
//
// The payload stays where it is; the ICMP checksum is corrected for the changed type alone, so a
// reply is right exactly if its request was, of any length. The request's is verified, but only of
// those that the limit lets through: a long one costs as much as many packets. The reply carries no
// options or extension headers, ToS or traffic class of the request, and for IPv4 no Don't
// Fragment: no host behind the VIP would learn of a smaller path.
#pragma once

#include "dp/forward/answers/reply.h"
#include "dp/forward/path/classify.h"
#include "dp/forward/pipeline.h"
#include "dp/net/ip_view.h"

namespace fairlead {

// Whether the VIP answers pings, by its policy.
[[nodiscard]] bool answers_echo(const shm::Snapshot& snapshot, const IpAddress& vip) noexcept;

// The header of the reply to a request whose IP header is at `ip`.
[[nodiscard]] ReplyHeader echo_header(const std::uint8_t* ip,
                                      const IpAddress& vip,
                                      const IpAddress& client,
                                      bool is_v6) noexcept;

// Type and checksum.
void turn_into_reply(IcmpHeader& icmp, bool is_v6) noexcept;

// For a whole echo request to a VIP, `message` being its ICMP part. Where the VIP does not answer:
// echo_refused.
void answer_echo(ForwardContext& context,
                 Packet& packet,
                 const IpView& view,
                 std::span<std::uint8_t> message,
                 Verdict& verdict) noexcept;

}  // namespace fairlead
