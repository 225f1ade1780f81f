#include "dp/net/inner_sum.h"

#include "dp/net/checksum.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

// Whether the transport's own checksum covers `transport` to its last byte.
[[nodiscard]] bool is_covered(std::span<const std::uint8_t> transport,
                              std::uint8_t protocol) noexcept {
    if (protocol == kProtocolTcp) {
        return transport.size() >= sizeof(TcpHeader);
    }
    if (protocol != kProtocolUdp || transport.size() < sizeof(UdpHeader)) {
        return false;
    }
    const auto& udp = header_at<UdpHeader>(transport.data());
    return udp.checksum.get() != Be16{} && udp.length.get().host() == transport.size();
}

[[nodiscard]] std::uint64_t complement(std::uint64_t sum) noexcept {
    return static_cast<std::uint16_t>(~fold_checksum(sum));
}

[[nodiscard]] std::uint64_t word_of(std::uint64_t value) noexcept {
    return Be16::from_host(static_cast<std::uint16_t>(value)).raw();
}

}  // namespace

std::uint64_t sum_of_packet(std::span<const std::uint8_t> packet, bool is_v6) noexcept {
    if (is_v6) {
        const auto& ip = header_at<Ipv6Header>(packet.data());
        if (!is_covered(packet.subspan(sizeof(Ipv6Header)), ip.next_header)) {
            return sum_bytes(packet);
        }
        // The addresses stand in the header and in the pseudo-header, and cancel out.
        const std::uint64_t length = ip.payload_length.get().raw();
        return ip.version_class_label.get().raw() + length +
               word_of(std::uint64_t{ip.next_header} << 8U | ip.hop_limit) +
               complement(length + word_of(ip.next_header));
    }
    const auto& ip = header_at<Ipv4Header>(packet.data());
    const std::span<const std::uint8_t> transport = packet.subspan(ip.header_bytes());
    const bool is_fragment = (ip.flags_and_offset.get().raw() & kIpv4FragmentMask.raw()) != 0;
    if (is_fragment || !is_covered(transport, ip.protocol)) {
        return sum_bytes(packet);
    }
    return complement(std::uint64_t{ip.source.get().raw()} + ip.destination.get().raw() +
                      word_of(ip.protocol) + word_of(transport.size()));
}

}  // namespace fairlead
