#include "dp/net/encap.h"

#include "dp/net/checksum.h"
#include "dp/net/parse.h"

namespace fairlead {

void write_outer_v4(std::uint8_t* outer,
                    const Ipv4Header& inner,
                    const IpAddress& source,
                    const IpAddress& destination) noexcept {
    auto& header = header_at<Ipv4Header>(outer);
    header.version_and_length = 0x45;
    header.tos = inner.tos;
    header.total_length.set(Be16::from_host(
        static_cast<std::uint16_t>(inner.total_length.get().host() + sizeof(Ipv4Header))));
    header.identification = inner.identification;
    header.flags_and_offset.set(
        Be16::from_raw(inner.flags_and_offset.get().raw() & kIpv4DontFragment.raw()));
    header.ttl = kOuterTtl;
    header.protocol = kProtocolIpip;
    header.checksum.set(Be16{});
    header.source.set(source.v4());
    header.destination.set(destination.v4());
    header.checksum.set(checksum_of({outer, sizeof(Ipv4Header)}));
}

void write_outer_v6(std::uint8_t* outer,
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
