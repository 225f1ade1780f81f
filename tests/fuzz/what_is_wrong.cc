#include "tests/fuzz/what_is_wrong.h"

#include <algorithm>
#include <array>

#include "dp/net/checksum.h"
#include "dp/net/ip_view.h"
#include "dp/net/parse.h"

namespace fairlead::testing {

namespace {

constexpr std::size_t kIp = sizeof(EthernetHeader);
// An ICMP error's headers over IPv6 in front of what it quotes.
constexpr std::size_t kReplyGrowsBy = sizeof(Ipv6Header) + sizeof(IcmpHeader);

using Span = std::span<const std::uint8_t>;

[[nodiscard]] Span frame_of(const Packet& packet) noexcept {
    return {packet.data, packet.length};
}

// Whether the checksum of the whole transport packet or ICMP message is right. Requires a sound IP
// packet.
[[nodiscard]] bool has_right_transport(Span ip, bool is_v6) noexcept {
    const auto view = view_ip(ip, is_v6);
    if (!view || view->is_fragment || view->header_bytes > ip.size()) {
        return false;
    }
    const Span transport = ip.subspan(view->header_bytes);
    std::uint64_t sum = sum_bytes(transport);
    const auto bytes = static_cast<std::uint32_t>(transport.size());
    if (is_v6) {
        sum += sum_pseudo_header(header_at<Ipv6Header>(ip.data()), bytes, view->protocol);
    } else if (view->protocol != kProtocolIcmp) {
        sum += sum_pseudo_header(header_at<Ipv4Header>(ip.data()), bytes, view->protocol);
    }
    return fold_checksum(sum) == 0xFFFFU;
}

// An IPv4 UDP packet may have none, which leaves nothing to derive the outer one from but is summed
// up by the balancer; its length may also end before the IP packet's.
[[nodiscard]] bool promises_outer_sum(Span ip, bool is_v6) noexcept {
    const auto view = view_ip(ip, is_v6);
    if (!view || view->is_fragment) {
        return false;
    }
    const Span transport = ip.subspan(view->header_bytes);
    if (view->protocol == kProtocolUdp) {
        if (transport.size() < sizeof(UdpHeader)) {
            return false;
        }
        const auto& udp = header_at<UdpHeader>(transport.data());
        if (udp.checksum.get() == Be16{} || udp.length.get().host() != transport.size()) {
            return false;
        }
    } else if (view->protocol != kProtocolTcp) {
        return false;
    }
    return has_right_transport(ip, is_v6);
}

// Requires that what_is_wrong_with_ip() had nothing to say.
[[nodiscard]] bool is_piece(const Packet& packet) noexcept {
    const std::uint8_t* const ip = packet.data + kIp;
    return packet.data[12] == 0x86 ? header_at<Ipv6Header>(ip).next_header == kProtocolFragment
                                   : (header_at<Ipv4Header>(ip).flags_and_offset.get().raw() &
                                      kIpv4FragmentMask.raw()) != 0;
}

[[nodiscard]] const char* wrong_reply(const Offered& offered, const Packet& packet) noexcept {
    if (packet.length > offered.frame.size() + kReplyGrowsBy) {
        return "an answer is longer than it may be";
    }
    if (packet.data[12] == 0x08 && packet.data[13] == 0x06) {
        return nullptr;
    }
    if (const char* const wrong = what_is_wrong_with_ip(packet)) {
        return wrong;
    }
    // A ping in pieces is answered piece by piece, and its checksum is the whole datagram's, which
    // tests/packet puts together.
    return is_piece(packet) ||
                   has_right_transport(frame_of(packet).subspan(kIp), packet.data[12] == 0x86)
               ? nullptr
               : "an answer's checksum is wrong";
}

// The inner packet as it came, but for what a hop changes.
[[nodiscard]] const char* wrong_inner(Span before, Span after, bool is_v6) noexcept {
    if (after.size() > before.size()) {
        return "the inner packet has grown";
    }
    const std::size_t ttl = is_v6 ? 7 : 8;
    for (std::size_t i = 0; i < after.size(); ++i) {
        const bool may_change = i == ttl || (!is_v6 && (i == 10 || i == 11));
        if (!may_change && before[i] != after[i]) {
            return "the inner packet is not what came";
        }
    }
    return nullptr;
}

[[nodiscard]] const char* wrong_forwarded(const Offered& offered, const Packet& packet) noexcept {
    // What the modes add over IPv4, over IPv6, and l2.
    constexpr std::array<std::size_t, 7> kAdded{0, 20, 24, 32, 40, 44, 52};
    const std::size_t added = std::size_t{offered.headroom} - packet.headroom;
    if (std::ranges::find(kAdded, added) == kAdded.end()) {
        return "outer headers of no mode";
    }
    if (packet.length < kIp + sizeof(Ipv4Header) + added) {
        return "shorter than its headers";
    }
    if (const char* const wrong = what_is_wrong_with_ip(packet)) {
        return wrong;
    }
    const bool is_inner_v6 = offered.frame[12] == 0x86;
    const Span before = offered.frame.subspan(kIp);
    const Span after = frame_of(packet).subspan(kIp + added);

    if (const char* const wrong = wrong_inner(before, after, is_inner_v6)) {
        return wrong;
    }
    if (!is_inner_v6) {
        const auto& inner = header_at<Ipv4Header>(after.data());
        if (!has_right_checksum(inner, inner.header_bytes())) {
            return "the inner header checksum is wrong";
        }
    }
    constexpr std::size_t kGueOverIpv6 = 52;
    if (added == kGueOverIpv6 && promises_outer_sum(after, is_inner_v6) &&
        !has_right_transport(frame_of(packet).subspan(kIp), true)) {
        return "the UDP checksum of GUE over IPv6 is wrong";
    }
    return nullptr;
}

}  // namespace

const char* what_is_wrong_with_ip(const Packet& packet) noexcept {
    const std::uint32_t ip_bytes = packet.length - static_cast<std::uint32_t>(kIp);
    // A frame may have padding up to the least length; none in a tunnel is as short as that.
    const bool may_be_padded = packet.length <= kMinFrameBytes;
    const auto fits = [ip_bytes, may_be_padded](std::size_t bytes) {
        return bytes == ip_bytes || (may_be_padded && bytes < ip_bytes);
    };
    if (packet.data[12] == 0x08) {
        const auto& ip = header_at<Ipv4Header>(packet.data + kIp);
        if (!fits(ip.total_length.get().host())) {
            return "the total length is wrong";
        }
        return has_right_checksum(ip, ip.header_bytes()) ? nullptr : "the header checksum is wrong";
    }
    const auto& ip = header_at<Ipv6Header>(packet.data + kIp);
    return fits(ip.payload_length.get().host() + sizeof(Ipv6Header))
               ? nullptr
               : "the payload length is wrong";
}

const char* what_is_wrong(const Offered& offered,
                          const Packet& packet,
                          const Verdict& verdict) noexcept {
    if (packet.data - packet.headroom != offered.buffer_start ||
        packet.headroom + packet.length > offered.headroom + offered.frame.size()) {
        return "the packet has left its buffer";
    }
    if (static_cast<std::size_t>(verdict.reason) >= kDropReasonCount ||
        (verdict.action == Action::kDrop) != (verdict.reason != DropReason::kNone)) {
        return "a drop without a reason, or a reason without a drop";
    }
    if (verdict.reply != ReplyKind::kNone) {
        return verdict.action == Action::kTransmit ? wrong_reply(offered, packet)
                                                   : "an answer that is not sent";
    }
    if (verdict.action == Action::kTransmit) {
        return wrong_forwarded(offered, packet);
    }
    const bool is_unchanged =
        packet.headroom == offered.headroom &&
        std::ranges::equal(offered.frame,
                           std::span<const std::uint8_t>(packet.data, packet.length));
    return is_unchanged ? nullptr : "what is not sent has changed";
}

const char* what_is_wrong_with_counters(const shm::WorkerBlock& worker,
                                        const Tally& tally,
                                        std::uint64_t transmitted) noexcept {
    std::uint64_t dropped = 0;
    for (const shm::Counter& counter : worker.dropped) {
        dropped += counter.get();
    }
    if (worker.dropped[0].get() != 0) {
        return "a drop was counted without a reason";
    }
    if (worker.packets.get() + tally.held != tally.offered) {
        return "packets were lost or counted twice";
    }
    return worker.packets.get() == dropped + worker.kernel_packets.get() + transmitted
               ? nullptr
               : "drops, kernel's and transmitted packets do not add up to what came";
}

}  // namespace fairlead::testing
