#include "ctl/neighbor/tunnel_error.h"

#include "dp/net/checksum.h"
#include "dp/net/headers.h"
#include "dp/net/parse.h"

namespace fairlead::neighbor {
namespace {

// Whether what follows the outer header is of a tunnel that this balancer makes. At least 8 bytes
// of it are quoted (RFC 792), which hold UDP's ports.
[[nodiscard]] bool is_tunnel(std::uint8_t protocol,
                             std::span<const std::uint8_t> payload) noexcept {
    switch (protocol) {
        case kProtocolIpip:
        case kProtocolIpv6:
        case kProtocolGre:
            return true;
        case kProtocolUdp:
            return payload.size() >= sizeof(UdpHeader) &&
                   header_at<UdpHeader>(payload.data()).destination_port.get() == kGuePort;
        default:
            return false;
    }
}

}  // namespace

std::optional<TunnelError> read_tunnel_error_v4(std::span<const std::uint8_t> packet) noexcept {
    if (packet.size() < sizeof(Ipv4Header)) {
        return std::nullopt;
    }
    const std::uint32_t header_bytes = header_at<Ipv4Header>(packet.data()).header_bytes();
    if (header_bytes < sizeof(Ipv4Header) ||
        packet.size() < header_bytes + sizeof(IcmpHeader) + sizeof(Ipv4Header)) {
        return std::nullopt;
    }
    const std::span<const std::uint8_t> message = packet.subspan(header_bytes);
    const auto& icmp = header_at<IcmpHeader>(message.data());
    if (icmp.type != kIcmpUnreachable || icmp.code != kIcmpCodeFragmentationNeeded ||
        checksum_of(message) != Be16{}) {
        return std::nullopt;
    }
    const std::span<const std::uint8_t> quote = message.subspan(sizeof(IcmpHeader));
    const auto& outer = header_at<Ipv4Header>(quote.data());
    const std::uint32_t outer_bytes = outer.header_bytes();
    // A later fragment does not begin with the tunnel's header.
    if (outer.version() != 4 || outer_bytes < sizeof(Ipv4Header) || quote.size() < outer_bytes ||
        outer.offset_bytes() != 0 || !is_tunnel(outer.protocol, quote.subspan(outer_bytes))) {
        return std::nullopt;
    }
    // The MTU is the low half of `rest` (RFC 1191, 4); 0 where a router is older than that.
    return TunnelError{.source = IpAddress::from_v4(outer.source.get()),
                       .destination = IpAddress::from_v4(outer.destination.get()),
                       .mtu_bytes = icmp.rest.get().host() & 0xFFFFU};
}

std::optional<TunnelError> read_tunnel_error_v6(std::span<const std::uint8_t> message) noexcept {
    if (message.size() < sizeof(IcmpHeader) + sizeof(Ipv6Header) ||
        header_at<IcmpHeader>(message.data()).type != kIcmpv6PacketTooBig) {
        return std::nullopt;
    }
    const std::span<const std::uint8_t> quote = message.subspan(sizeof(IcmpHeader));
    const auto& outer = header_at<Ipv6Header>(quote.data());
    if (outer.version() != 6 || !is_tunnel(outer.next_header, quote.subspan(sizeof(Ipv6Header)))) {
        return std::nullopt;
    }
    return TunnelError{.source = IpAddress::from_v6(outer.source),
                       .destination = IpAddress::from_v6(outer.destination),
                       .mtu_bytes = header_at<IcmpHeader>(message.data()).rest.get().host()};
}

}  // namespace fairlead::neighbor
