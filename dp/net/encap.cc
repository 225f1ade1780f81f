#include "dp/net/encap.h"

#include "dp/net/checksum.h"
#include "dp/net/parse.h"

namespace fairlead {

namespace {

// "Version 6, this traffic class, this flow label" (RFC 8200, 3).
[[nodiscard]] Be32 version_class_label(const OuterFields& fields) noexcept {
    return Be32::from_host(6U << 28U | std::uint32_t{fields.tos} << 20U | fields.flow_label);
}

}  // namespace

void write_outer_v4(std::uint8_t* outer,
                    const OuterFields& fields,
                    const IpAddress& source,
                    const IpAddress& destination) noexcept {
    const Be16 total_length =
        Be16::from_host(static_cast<std::uint16_t>(fields.payload_bytes + sizeof(Ipv4Header)));
    const auto ttl_and_protocol = static_cast<std::uint16_t>(kOuterTtl << 8U | fields.protocol);
    // Summed from the values: words read back right behind the stores into them would stall.
    const std::uint64_t sum = std::uint64_t{Be16::from_host(0x4500U | fields.tos).raw()} +
                              total_length.raw() + kIpv4DontFragment.raw() +
                              Be16::from_host(ttl_and_protocol).raw() + source.v4().raw() +
                              destination.v4().raw();
    auto& header = header_at<Ipv4Header>(outer);
    header.version_and_length = 0x45;
    header.tos = fields.tos;
    header.total_length.set(total_length);
    header.identification.set({});
    header.flags_and_offset.set(kIpv4DontFragment);
    header.ttl = kOuterTtl;
    header.protocol = fields.protocol;
    header.checksum.set(Be16::from_raw(static_cast<std::uint16_t>(~fold_checksum(sum))));
    header.source.set(source.v4());
    header.destination.set(destination.v4());
}

void write_outer_v6(std::uint8_t* outer,
                    const OuterFields& fields,
                    const IpAddress& source,
                    const IpAddress& destination) noexcept {
    auto& header = header_at<Ipv6Header>(outer);
    header.version_class_label.set(version_class_label(fields));
    header.payload_length.set(Be16::from_host(static_cast<std::uint16_t>(fields.payload_bytes)));
    header.next_header = fields.protocol;
    header.hop_limit = kOuterTtl;
    header.source = source.bytes();
    header.destination = destination.bytes();
}

void write_4in4(std::uint8_t* outer,
                const Ipv4Header& inner,
                const IpAddress& source,
                const IpAddress& destination) noexcept {
    const Be16 total_length = Be16::from_host(
        static_cast<std::uint16_t>(inner.total_length.get().host() + sizeof(Ipv4Header)));
    // Summed from the values: words read back right behind the stores into them would stall.
    const std::uint64_t sum = std::uint64_t{Be16::from_host(0x4500U | inner.tos).raw()} +
                              total_length.raw() + kIpv4DontFragment.raw() +
                              Be16::from_host(kOuterTtl << 8U | kProtocolIpip).raw() +
                              source.v4().raw() + destination.v4().raw();
    auto& header = header_at<Ipv4Header>(outer);
    header.version_and_length = 0x45;
    header.tos = inner.tos;
    header.total_length.set(total_length);
    header.identification.set({});
    header.flags_and_offset.set(kIpv4DontFragment);
    header.ttl = kOuterTtl;
    header.protocol = kProtocolIpip;
    header.checksum.set(Be16::from_raw(static_cast<std::uint16_t>(~fold_checksum(sum))));
    header.source.set(source.v4());
    header.destination.set(destination.v4());
}

void write_6in6(std::uint8_t* outer,
                const Ipv6Header& inner,
                const IpAddress& source,
                const IpAddress& destination) noexcept {
    auto& header = header_at<Ipv6Header>(outer);
    header.version_class_label = inner.version_class_label;
    header.payload_length.set(Be16::from_host(
        static_cast<std::uint16_t>(inner.payload_length.get().host() + sizeof(Ipv6Header))));
    header.next_header = kProtocolIpv6;
    header.hop_limit = kOuterTtl;
    header.source = source.bytes();
    header.destination = destination.bytes();
}

void write_gre(std::uint8_t* bytes, Be16 inner_type) noexcept {
    auto& gre = header_at<GreHeader>(bytes);
    gre.flags_and_version.set({});
    gre.protocol.set(inner_type);
}

void write_gue(std::uint8_t* bytes,
               Be16 source_port,
               std::uint8_t inner_protocol,
               std::uint32_t payload_bytes) noexcept {
    auto& udp = header_at<UdpHeader>(bytes);
    udp.source_port.set(source_port);
    udp.destination_port.set(kGuePort);
    udp.length.set(Be16::from_host(static_cast<std::uint16_t>(payload_bytes + kGueBytes)));
    udp.checksum.set({});
    auto& gue = header_at<GueHeader>(bytes + sizeof(UdpHeader));
    gue = {};
    gue.protocol = inner_protocol;
}

Be16 gue_checksum(const std::uint8_t* udp,
                  std::uint64_t inner_sum,
                  const IpAddress& source,
                  const IpAddress& destination) noexcept {
    // The pseudo-header's length and protocol stand as words of 32 bits; their upper halves are 0.
    const std::uint64_t sum = inner_sum + sum_bytes({udp, kGueBytes}) + sum_bytes(source.bytes()) +
                              sum_bytes(destination.bytes()) +
                              header_at<UdpHeader>(udp).length.get().raw() +
                              Be16::from_host(kProtocolUdp).raw();
    const auto checksum = static_cast<std::uint16_t>(~fold_checksum(sum));
    // 0 means "none", and is sent as its other form (RFC 768).
    return Be16::from_raw(checksum == 0 ? std::uint16_t{0xFFFF} : checksum);
}

void decrement_ttl(Ipv4Header& header) noexcept {
    // The checksum covers TTL and protocol as one word.
    const auto word = [&header] {
        return Be16::from_host(static_cast<std::uint16_t>(header.ttl << 8U | header.protocol));
    };
    const Be16 before = word();
    header.ttl = static_cast<std::uint8_t>(header.ttl - 1);
    header.checksum.set(updated_checksum(header.checksum.get(), before, word()));
}

}  // namespace fairlead
