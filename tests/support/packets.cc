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
