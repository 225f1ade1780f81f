#include "dp/forward/rare/extension.h"

#include "dp/forward/fragments/fragment.h"
#include "dp/forward/path/limit.h"
#include "dp/forward/path/transport.h"
#include "dp/forward/rare/icmp.h"
#include "dp/forward/rare/resume.h"
#include "dp/net/extension_headers.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

constexpr std::uint32_t kFirstHeaderAt = sizeof(Ipv6Header);

[[nodiscard]] bool is_refused(std::uint8_t protocol) noexcept {
    return protocol == kProtocolMobility || protocol == kProtocolHip || protocol == kProtocolShim6;
}

// What is wrong with the header at which the walk is.
[[nodiscard]] DropReason check_header(const ExtensionWalk& walk) noexcept {
    if (walk.is_past_limit() || is_refused(walk.protocol())) {
        return DropReason::kExtensionHeader;
    }
    if (!walk.has_length()) {
        return DropReason::kTruncated;
    }
    if ((walk.protocol() == kProtocolHopByHop && walk.end() != kFirstHeaderAt) ||
        (walk.protocol() == kProtocolFragment && walk.fragment_at() != 0) ||
        walk.end() + walk.length() > kFirstHeaderAt + kMaxExtensionBytes) {
        return DropReason::kExtensionHeader;
    }
    if (!walk.is_whole()) {
        return DropReason::kTruncated;
    }
    if (walk.protocol() == kProtocolRouting && walk.at<RoutingHeader>().segments_left != 0) {
        return DropReason::kSourceRoute;
    }
    return DropReason::kNone;
}

}  // namespace

bool is_walked_header(std::uint8_t protocol) noexcept {
    return is_extension_header(protocol) && !is_refused(protocol);
}

HeaderChain walk_extension_headers(const std::uint8_t* ip, std::uint32_t ip_bytes) noexcept {
    ExtensionWalk walk({ip, ip_bytes});
    DropReason reason = DropReason::kNone;
    for (; walk.is_at_header(); walk.step()) {
        reason = check_header(walk);
        if (reason != DropReason::kNone) {
            break;
        }
    }
    return {reason, walk.protocol(), walk.end(), walk.fragment_at()};
}

void forward_past_extensions(ForwardContext& context,
                             Packet& packet,
                             PacketFacts& facts,
                             Verdict& verdict) noexcept {
    const std::uint8_t* const bytes = packet.data + sizeof(EthernetHeader);
    const auto& ip = header_at<Ipv6Header>(bytes);
    const auto ip_bytes =
        static_cast<std::uint32_t>(sizeof(Ipv6Header) + ip.payload_length.get().host());
    const HeaderChain chain = walk_extension_headers(bytes, ip_bytes);
    if (chain.fragment_at != 0) {
        forward_fragment_v6(context, packet, chain, facts, verdict);
        return;
    }
    verdict.reason = chain.reason;
    if (chain.reason != DropReason::kNone) {
        return;
    }
    TransportKey key;
    verdict.reason = check_transport(chain.protocol,
                                     bytes + chain.end,
                                     ip_bytes - chain.end,
                                     key,
                                     facts.event,
                                     facts.content_bytes);
    if (verdict.reason != DropReason::kNone) {
        if (chain.protocol == kProtocolIcmpv6) {
            handle_icmp(context, packet, facts, verdict);
        }
        return;
    }
    facts.hash = flow_hash_v6(context.snapshot.flow_hash_seed, ip.source, ip.destination, key);
    facts.ip_bytes = static_cast<std::uint16_t>(ip_bytes);
    if (find_service_late(context, IpAddress::from_v6(ip.destination), key, facts, verdict) &&
        limit_one(context, IpAddress::from_v6(ip.source), facts, verdict)) {
        resume(context, packet, facts, verdict);
    }
}

}  // namespace fairlead
