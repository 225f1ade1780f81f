#include "dp/net/ip_view.h"

#include "dp/net/parse.h"

namespace fairlead {

namespace {

// More extension headers than any honest packet has. RFC 8200, 4.1 lists six kinds, of which one
// may come twice.
constexpr unsigned kMaxExtensionHeaders = 8;
constexpr Be16 kIpv4OffsetMask = Be16::from_host(0x1FFF);
constexpr Be16 kIpv6OffsetMask = Be16::from_host(0xFFF8);
constexpr Be16 kIpv6MoreFragments = Be16::from_host(0x0001);

[[nodiscard]] std::optional<IpView> view_v4(std::span<const std::uint8_t> packet) noexcept {
    if (packet.size() < sizeof(Ipv4Header)) {
        return std::nullopt;
    }
    const auto& ip = header_at<Ipv4Header>(packet.data());
    const std::uint32_t header_bytes = ip.header_bytes();
    if (ip.version() != 4 || header_bytes < sizeof(Ipv4Header) || header_bytes > packet.size()) {
        return std::nullopt;
    }
    const std::uint16_t fragment = ip.flags_and_offset.get().raw();
    IpView view;
    view.source = IpAddress::from_v4(ip.source.get());
    view.destination = IpAddress::from_v4(ip.destination.get());
    view.header_bytes = header_bytes;
    view.protocol = ip.protocol;
    view.is_fragment = (fragment & kIpv4FragmentMask.raw()) != 0;
    view.is_later_fragment = (fragment & kIpv4OffsetMask.raw()) != 0;
    return view;
}

// Bytes of the extension header at `bytes`, of which two can be read; 0: what follows is none.
// RFC 8200, 4.3 to 4.6 and, for the authentication header, RFC 4302, 2.2.
[[nodiscard]] std::uint32_t extension_bytes(std::uint8_t protocol,
                                            const std::uint8_t* bytes) noexcept {
    switch (protocol) {
        case kProtocolFragment:
            return 8;
        case kProtocolAuthentication:
            return (bytes[1] + 2U) * 4U;
        case kProtocolHopByHop:
        case kProtocolRouting:
        case kProtocolDestinationOptions:
        case kProtocolMobility:
        case kProtocolHip:
        case kProtocolShim6:
            return (bytes[1] + 1U) * 8U;
        default:
            return 0;
    }
}

[[nodiscard]] std::optional<IpView> view_v6(std::span<const std::uint8_t> packet) noexcept {
    if (packet.size() < sizeof(Ipv6Header)) {
        return std::nullopt;
    }
    const auto& ip = header_at<Ipv6Header>(packet.data());
    if (ip.version() != 6 || is_v4_mapped(ip.source) || is_v4_mapped(ip.destination)) {
        return std::nullopt;
    }
    IpView view;
    view.is_v6 = true;
    view.source = IpAddress::from_v6(ip.source);
    view.destination = IpAddress::from_v6(ip.destination);
    view.header_bytes = sizeof(Ipv6Header);
    view.protocol = ip.next_header;
    for (unsigned headers = 0; headers <= kMaxExtensionHeaders; ++headers) {
        const auto rest = packet.subspan(view.header_bytes);
        if (rest.size() < 2) {
            return view;  // too short for an extension header, and the caller's to judge
        }
        const std::uint32_t bytes = extension_bytes(view.protocol, rest.data());
        if (bytes == 0) {
            return view;
        }
        if (bytes > rest.size()) {
            return std::nullopt;
        }
        if (view.protocol == kProtocolFragment) {
            std::uint16_t fragment = 0;
            std::memcpy(&fragment, rest.data() + 2, sizeof fragment);
            view.is_fragment = view.is_fragment ||
                               (fragment & (kIpv6OffsetMask.raw() | kIpv6MoreFragments.raw())) != 0;
            view.is_later_fragment =
                view.is_later_fragment || (fragment & kIpv6OffsetMask.raw()) != 0;
        }
        view.protocol = rest[0];
        view.header_bytes += bytes;
        if (view.is_later_fragment) {
            return view;
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<IpView> view_ip(std::span<const std::uint8_t> packet, bool is_v6) noexcept {
    return is_v6 ? view_v6(packet) : view_v4(packet);
}

}  // namespace fairlead
