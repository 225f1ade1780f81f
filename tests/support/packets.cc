#include "tests/support/packets.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "dp/net/checksum.h"
#include "dp/net/parse.h"

namespace fairlead::testing {

namespace {

constexpr std::size_t kEthernetBytes = sizeof(EthernetHeader);

void write_transport(std::uint8_t* bytes, const FrameSpec& spec) {
    const Be16 source = Be16::from_host(spec.source_port);
    const Be16 destination = Be16::from_host(spec.destination_port);
    if (spec.protocol == kProtocolTcp) {
        auto& tcp = header_at<TcpHeader>(bytes);
        tcp.source_port.set(source);
        tcp.destination_port.set(destination);
        tcp.data_offset = 5U << 4U;
        tcp.flags = spec.flags;
        return;
    }
    auto& udp = header_at<UdpHeader>(bytes);
    udp.source_port.set(source);
    udp.destination_port.set(destination);
    udp.length.set(
        Be16::from_host(static_cast<std::uint16_t>(sizeof(UdpHeader) + spec.payload_bytes)));
}

void write_v4(Bytes& frame, const FrameSpec& spec) {
    auto& ip = header_at<Ipv4Header>(frame.data() + kEthernetBytes);
    const std::size_t header_bytes = sizeof(Ipv4Header) + spec.option_bytes;
    ip.version_and_length = static_cast<std::uint8_t>(0x40U | header_bytes / 4);
    ip.tos = spec.tos;
    ip.total_length.set(Be16::from_host(static_cast<std::uint16_t>(frame.size() - kEthernetBytes)));
    ip.identification.set(Be16::from_host(0x1234));
    ip.ttl = spec.ttl;
    ip.protocol = spec.protocol;
    ip.source.set(address(spec.source).v4());
    ip.destination.set(address(spec.destination).v4());
    std::fill_n(frame.begin() + kEthernetBytes + sizeof(Ipv4Header), spec.option_bytes, 1);  // NOP
    fix_ip_checksum(frame);
}

void write_v6(Bytes& frame, const FrameSpec& spec) {
    auto& ip = header_at<Ipv6Header>(frame.data() + kEthernetBytes);
    ip.version_class_label.set(
        Be32::from_host(6U << 28U | std::uint32_t{spec.tos} << 20U | 0xABCDEU));
    ip.payload_length.set(Be16::from_host(
        static_cast<std::uint16_t>(frame.size() - kEthernetBytes - sizeof(Ipv6Header))));
    ip.next_header = spec.protocol;
    ip.hop_limit = spec.ttl;
    ip.source = address(spec.source).bytes();
    ip.destination = address(spec.destination).bytes();
}

}  // namespace

Bytes make_frame(const FrameSpec& spec) {
    const bool is_v4 = address(spec.destination).is_v4();
    const std::size_t ip_bytes =
        is_v4 ? sizeof(Ipv4Header) + spec.option_bytes : sizeof(Ipv6Header);
    const std::size_t transport_bytes =
        spec.protocol == kProtocolTcp ? sizeof(TcpHeader) : sizeof(UdpHeader);
    Bytes frame(kEthernetBytes + ip_bytes + transport_bytes + spec.payload_bytes);
    auto& ethernet = header_at<EthernetHeader>(frame.data());
    ethernet.destination = mac("02:00:00:00:00:01");
    ethernet.source = mac("02:00:00:00:00:fe");
    ethernet.type.set(is_v4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
    write_transport(frame.data() + kEthernetBytes + ip_bytes, spec);
    for (std::size_t i = 0; i < spec.payload_bytes; ++i) {
        frame[frame.size() - spec.payload_bytes + i] = static_cast<std::uint8_t>(i);
    }
    is_v4 ? write_v4(frame, spec) : write_v6(frame, spec);
    return frame;
}

Bytes make_icmp_frame(const IcmpSpec& spec, std::span<const std::uint8_t> body) {
    const bool is_v6 = !address(spec.destination).is_v4();
    // A datagram of the right size, whose transport header the message then takes the place of.
    Bytes frame = make_frame({.source = spec.source,
                              .destination = spec.destination,
                              .protocol = kProtocolUdp,
                              .ttl = spec.ttl,
                              .payload_bytes = body.size()});
    const std::size_t start = frame.size() - sizeof(IcmpHeader) - body.size();
    auto& icmp = header_at<IcmpHeader>(frame.data() + start);
    icmp.type = spec.type;
    icmp.code = spec.code;
    icmp.checksum.set(Be16{});
    icmp.rest.set(Be32::from_host(spec.rest));
    std::ranges::copy(body, frame.begin() + static_cast<std::ptrdiff_t>(start + sizeof icmp));
    const std::span message = std::span(frame).subspan(start);
    std::uint64_t sum = sum_bytes(message);
    if (is_v6) {
        auto& ip = header_at<Ipv6Header>(frame.data() + kEthernetBytes);
        ip.next_header = kProtocolIcmpv6;
        sum += sum_pseudo_header(ip, static_cast<std::uint32_t>(message.size()), kProtocolIcmpv6);
    } else {
        header_at<Ipv4Header>(frame.data() + kEthernetBytes).protocol = kProtocolIcmp;
        fix_ip_checksum(frame);
    }
    icmp.checksum.set(Be16::from_raw(static_cast<std::uint16_t>(~fold_checksum(sum))));
    return frame;
}

std::span<const std::uint8_t> ip_of(const Bytes& frame) {
    return std::span(frame).subspan(kEthernetBytes);
}

void fix_ip_checksum(Bytes& frame) {
    auto& ip = header_at<Ipv4Header>(frame.data() + kEthernetBytes);
    ip.checksum.set(Be16{});
    ip.checksum.set(checksum_of({frame.data() + kEthernetBytes, ip.header_bytes()}));
}

IpAddress address(std::string_view text) {
    const auto parsed = IpAddress::parse(text);
    if (!parsed) {
        throw std::invalid_argument("no address: " + std::string(text));
    }
    return *parsed;
}

MacAddress mac(std::string_view text) {
    const auto parsed = MacAddress::parse(text);
    if (!parsed) {
        throw std::invalid_argument("no MAC address: " + std::string(text));
    }
    return *parsed;
}

}  // namespace fairlead::testing
