#include "ctl/trace/frame.h"

#include "dp/net/checksum.h"
#include "dp/net/parse.h"

namespace fairlead::trace {
namespace {

constexpr std::size_t kEthernetBytes = sizeof(EthernetHeader);
constexpr std::uint8_t kTtl = 64;

void write_transport(std::uint8_t* bytes, const Question& question) {
    const Be16 source = Be16::from_host(question.source_port);
    const Be16 destination = Be16::from_host(question.destination_port);
    if (question.protocol == kProtocolTcp) {
        auto& tcp = header_at<TcpHeader>(bytes);
        tcp.source_port.set(source);
        tcp.destination_port.set(destination);
        tcp.data_offset = (sizeof(TcpHeader) / 4) << 4U;
        tcp.flags = question.tcp_flags;
    } else {
        auto& udp = header_at<UdpHeader>(bytes);
        udp.source_port.set(source);
        udp.destination_port.set(destination);
        udp.length.set(Be16::from_host(sizeof(UdpHeader)));
    }
}

void write_v4(std::uint8_t* bytes, std::size_t transport_bytes, const Question& question) {
    auto& ip = header_at<Ipv4Header>(bytes);
    ip.version_and_length = 4U << 4U | sizeof(Ipv4Header) / 4;
    ip.total_length.set(
        Be16::from_host(static_cast<std::uint16_t>(sizeof(Ipv4Header) + transport_bytes)));
    ip.flags_and_offset.set(kIpv4DontFragment);
    ip.ttl = kTtl;
    ip.protocol = question.protocol;
    ip.source.set(question.source.v4());
    ip.destination.set(question.destination.v4());
    ip.checksum.set(checksum_of({bytes, sizeof(Ipv4Header)}));
}

void write_v6(std::uint8_t* bytes, std::size_t transport_bytes, const Question& question) {
    auto& ip = header_at<Ipv6Header>(bytes);
    ip.version_class_label.set(Be32::from_host(6U << 28U));
    ip.payload_length.set(Be16::from_host(static_cast<std::uint16_t>(transport_bytes)));
    ip.next_header = question.protocol;
    ip.hop_limit = kTtl;
    ip.source = question.source.bytes();
    ip.destination = question.destination.bytes();
}

// The first IP header of a frame, whatever it carries.
std::optional<OuterHeader> first_header(std::span<const std::uint8_t> frame) {
    if (frame.size() < kEthernetBytes) {
        return std::nullopt;
    }
    const Be16 type = header_at<EthernetHeader>(frame.data()).type.get();
    const std::span<const std::uint8_t> packet = frame.subspan(kEthernetBytes);
    if (type == kEtherTypeIpv4 && packet.size() >= sizeof(Ipv4Header)) {
        const auto& ip = header_at<Ipv4Header>(packet.data());
        return OuterHeader{IpAddress::from_v4(ip.source.get()),
                           IpAddress::from_v4(ip.destination.get()),
                           ip.protocol};
    }
    if (type == kEtherTypeIpv6 && packet.size() >= sizeof(Ipv6Header)) {
        const auto& ip = header_at<Ipv6Header>(packet.data());
        return OuterHeader{
            IpAddress::from_v6(ip.source), IpAddress::from_v6(ip.destination), ip.next_header};
    }
    return std::nullopt;
}

}  // namespace

std::vector<std::uint8_t> make_frame(const Question& question) {
    const bool is_v4 = question.destination.is_v4();
    const std::size_t ip_bytes = is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
    const std::size_t transport_bytes =
        question.protocol == kProtocolTcp ? sizeof(TcpHeader) : sizeof(UdpHeader);
    std::vector<std::uint8_t> frame(kEthernetBytes + ip_bytes + transport_bytes);
    header_at<EthernetHeader>(frame.data()).type.set(is_v4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
    if (is_v4) {
        write_v4(frame.data() + kEthernetBytes, transport_bytes, question);
    } else {
        write_v6(frame.data() + kEthernetBytes, transport_bytes, question);
    }
    write_transport(frame.data() + kEthernetBytes + ip_bytes, question);
    return frame;
}

std::optional<OuterHeader> outer_header_of(std::span<const std::uint8_t> frame,
                                           const Question& question) {
    const std::optional<OuterHeader> first = first_header(frame);
    const bool is_the_packet = first && first->source == question.source &&
                               first->destination == question.destination &&
                               first->protocol == question.protocol;
    return is_the_packet ? std::nullopt : first;
}

}  // namespace fairlead::trace
