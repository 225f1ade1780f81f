#include "dp/net/ip_view.h"

#include "dp/net/extension_headers.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

constexpr Be16 kIpv4OffsetMask = Be16::from_host(0x1FFF);

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
    ExtensionWalk walk(packet);
    for (; walk.is_at_header(); walk.step()) {
        if (walk.is_past_limit() || !walk.is_whole()) {
            return std::nullopt;
        }
    }
    view.header_bytes = walk.end();
    view.protocol = walk.protocol();
    view.is_fragment = walk.is_piece();
    view.is_later_fragment = walk.is_later_piece();
    return view;
}

}  // namespace

std::optional<IpView> view_ip(std::span<const std::uint8_t> packet, bool is_v6) noexcept {
    return is_v6 ? view_v6(packet) : view_v4(packet);
}

}  // namespace fairlead
