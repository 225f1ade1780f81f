// First stage: what a packet is, whether it is sound, and which service it is for.
//
// The order of checks is fixed, so that a packet with several faults has one reason:
//
//     1. shorter than an Ethernet header: truncated
//     2. not addressed to the port (ingress.h): no VIP's, whatever is in it, but perhaps a question
//        for one (neighbor.h)
//     3. shorter than the IP header without options: truncated
//     4. IPv4 (RFC 1812, 5.2.2): version, header length, total length, checksum, source, options,
//        fragment;
//        IPv6 (RFC 8200): version, payload length, source, extension header
//     5. protocol other than TCP and UDP
//     6. transport header: does it fit, is its own length possible
//     7. service
//
// A packet that fails 4 to 7 is dropped only if its destination, read where the Ethernet type puts
// it, is a VIP; all others are the kernel's, as is every other Ethernet type. Where the port takes
// priority tags, a frame with one is held: its tag has to go before anything can be said of it.
// Nothing is written to a packet.
#pragma once

#include <cstdint>
#include <span>

#include "dp/flow/flow_entry.h"
#include "dp/forward/path/ingress.h"
#include "dp/forward/pipeline.h"
#include "dp/forward/verdict.h"
#include "dp/shm/snapshot.h"

namespace fairlead {

// What the later stages need to know of a packet for a service.
struct PacketFacts {
    const shm::ServiceRecord* service = nullptr;  // nullptr: the verdict stands already
    std::uint64_t hash = 0;
    std::uint64_t source_key = 0;        // where new flows of a source are limited (limit.h)
    std::uint16_t frame_bytes = 0;       // as received
    std::uint16_t content_bytes = 0;     // behind the header of TCP
    std::uint16_t ip_bytes = 0;          // of the IP packet, without Ethernet padding
    FlowEvent event = FlowEvent::kData;  // never kAcknowledge: see event_of()
    bool is_v6 = false;
};

// What the packet means to its flow. Classifying does not tell a bare acknowledgement from content,
// since that matters to few flows.
[[nodiscard]] inline FlowEvent event_of(const PacketFacts& facts) noexcept {
    return facts.event == FlowEvent::kData && facts.content_bytes == 0 ? FlowEvent::kAcknowledge
                                                                       : facts.event;
}

// Writes `facts`; where facts[i].service is nullptr, verdicts[i] is final. `ingress` is of the port
// on which the packets came. All spans have one size, at most kBurstPackets. The flow's buckets are
// prefetched from `flows` as soon as its hash is known, so that they arrive while the rest of the
// burst is read.
void classify_burst(const shm::Snapshot& snapshot,
                    const FlowTable& flows,
                    const Ingress& ingress,
                    std::span<const Packet> packets,
                    std::span<PacketFacts> facts,
                    std::span<Verdict> verdicts) noexcept;

}  // namespace fairlead
