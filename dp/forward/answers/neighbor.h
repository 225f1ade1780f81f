// ARP and neighbor discovery for a VIP on the port's own segment: the balancer answers with the MAC
// address of the port on which it was asked; asked directly, with the one that was asked, which may
// be a virtual router's (path/ingress.h).
//
//     ARP   a request (RFC 826), a probe too (RFC 5227, 2.1.1), since its address is taken; not an
//           announcement, whose sender says that the VIP is its own
//     NDP   a solicitation that passes the checks of RFC 4861, 7.1.1, to the solicited-node group
//     or
//           to the VIP itself; one from :: is answered to all nodes (7.2.4)
//
// No limit: an answer is no larger than its question, to within one option, and costs no more than
// a drop. A VIP that is not answered for is down.
#pragma once

#include "dp/forward/path/classify.h"
#include "dp/forward/pipeline.h"

namespace fairlead {

// Whether a frame that is for no VIP by its own destination asks for one: an ARP request, or a
// solicitation to a solicited-node group.
[[nodiscard]] bool asks_for_vip(const shm::Snapshot& snapshot, const Packet& packet) noexcept;

// For a packet that was refused as bad_neighbor_question, and stays so if it is wrong.
void answer_neighbor(ForwardContext& context, Packet& packet, Verdict& verdict) noexcept;

}  // namespace fairlead
