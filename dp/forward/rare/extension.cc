#include "dp/forward/rare/extension.h"

#include "dp/forward/fragments/fragment.h"
#include "dp/forward/path/limit.h"
#include "dp/forward/path/transport.h"
#include "dp/forward/rare/icmp.h"
#include "dp/forward/rare/resume.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

constexpr std::uint32_t kFirstHeaderAt = sizeof(Ipv6Header);

[[nodiscard]] bool is_refused(std::uint8_t protocol) noexcept {
    return protocol == kProtocolMobility || protocol == kProtocolHip || protocol == kProtocolShim6;
}

// The length of an extension header. Its first 8 bytes are readable.
[[nodiscard]] std::uint32_t length_of(std::uint8_t protocol,
                                      const ExtensionHeader& header) noexcept {
    if (protocol == kProtocolFragment) {
        return sizeof(FragmentHeader);
    }
    if (protocol == kProtocolAuthentication) {  // RFC 4302, 2.2: in 4-byte words, minus 2
        return (header.length + 2U) * 4U;
    }
    return (header.length + 1U) * 8U;  // RFC 8200, 4.3, 4.4 and 4.6
}

// One step: notes the header at chain.end, and goes behind it.
void step(const std::uint8_t* ip, std::uint32_t ip_bytes, HeaderChain& chain) noexcept {
    if (ip_bytes - chain.end < sizeof(ExtensionHeader)) {
        chain.reason = DropReason::kTruncated;
        return;
    }
    const auto& header = header_at<ExtensionHeader>(ip + chain.end);
    const std::uint32_t length = length_of(chain.protocol, header);
    if ((chain.protocol == kProtocolHopByHop && chain.end != kFirstHeaderAt) ||
        (chain.protocol == kProtocolFragment && chain.fragment_at != 0) ||
        chain.end + length > kFirstHeaderAt + kMaxExtensionBytes) {
        chain.reason = DropReason::kExtensionHeader;
        return;
    }
    if (length > ip_bytes - chain.end) {
        chain.reason = DropReason::kTruncated;
        return;
    }
    if (chain.protocol == kProtocolRouting &&
        header_at<RoutingHeader>(ip + chain.end).segments_left != 0) {
        chain.reason = DropReason::kSourceRoute;
        return;
    }
    if (chain.protocol == kProtocolFragment) {
        chain.fragment_at = chain.end;
    }
    chain.protocol = header.next_header;
    chain.end += length;
}

[[nodiscard]] bool is_later_piece(const std::uint8_t* ip, const HeaderChain& chain) noexcept {
    return chain.fragment_at != 0 &&
           header_at<FragmentHeader>(ip + chain.fragment_at).offset_bytes() != 0;
}

}  // namespace

bool is_walked_header(std::uint8_t protocol) noexcept {
    return protocol == kProtocolHopByHop || protocol == kProtocolRouting ||
           protocol == kProtocolFragment || protocol == kProtocolAuthentication ||
           protocol == kProtocolDestinationOptions;
}

HeaderChain walk_extension_headers(const std::uint8_t* ip, std::uint32_t ip_bytes) noexcept {
    HeaderChain chain{.protocol = header_at<Ipv6Header>(ip).next_header, .end = kFirstHeaderAt};
    for (std::uint32_t headers = 0; is_walked_header(chain.protocol); ++headers) {
        if (headers == kMaxExtensionHeaders) {
            chain.reason = DropReason::kExtensionHeader;
            return chain;
        }
        step(ip, ip_bytes, chain);
        if (chain.reason != DropReason::kNone || is_later_piece(ip, chain)) {
            return chain;
        }
    }
    if (is_refused(chain.protocol)) {
        chain.reason = DropReason::kExtensionHeader;
    }
    return chain;
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
