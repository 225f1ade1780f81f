#include "dp/net/encap.h"

#include "dp/net/checksum.h"
#include "dp/net/parse.h"

namespace fairlead {

void write_outer_v4(std::uint8_t* outer,
                    const Ipv4Header& inner,
                    const IpAddress& source,
                    const IpAddress& destination) noexcept {
    const Be16 total_length = Be16::from_host(
        static_cast<std::uint16_t>(inner.total_length.get().host() + sizeof(Ipv4Header)));
    const Be16 flags = Be16::from_raw(inner.flags_and_offset.get().raw() & kIpv4DontFragment.raw());
    // Summed from the values: words read back right behind the stores into them would stall.
    const std::uint64_t sum = std::uint64_t{Be16::from_host(0x4500U | inner.tos).raw()} +
                              total_length.raw() + inner.identification.get().raw() + flags.raw() +
                              Be16::from_host(kOuterTtl << 8U | kProtocolIpip).raw() +
                              source.v4().raw() + destination.v4().raw();
    auto& header = header_at<Ipv4Header>(outer);
    header.version_and_length = 0x45;
    header.tos = inner.tos;
    header.total_length.set(total_length);
    header.identification = inner.identification;
    header.flags_and_offset.set(flags);
    header.ttl = kOuterTtl;
    header.protocol = kProtocolIpip;
    header.checksum.set(Be16::from_raw(static_cast<std::uint16_t>(~fold_checksum(sum))));
    header.source.set(source.v4());
    header.destination.set(destination.v4());
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
