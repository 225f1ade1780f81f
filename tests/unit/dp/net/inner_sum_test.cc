#include "dp/net/inner_sum.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "dp/net/checksum.h"
#include "dp/net/encap.h"
#include "dp/net/parse.h"
#include "tests/support/packets.h"

namespace fairlead {
namespace {

using testing::Bytes;

constexpr std::size_t kIp = sizeof(EthernetHeader);

struct Sample {
    Bytes packet;  // from the IP header on
    bool is_v6 = false;
};

std::size_t transport_at(const Sample& sample) {
    return sample.is_v6 ? sizeof(Ipv6Header)
                        : header_at<Ipv4Header>(sample.packet.data()).header_bytes();
}

void set_be16(Bytes& bytes, std::size_t at, std::uint16_t value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8U);
    bytes[at + 1] = static_cast<std::uint8_t>(value);
}

// Word by word over the pseudo-header and what follows, as RFC 768 and RFC 9293 say it.
std::uint16_t slow_transport_checksum(const Sample& sample) {
    const std::size_t at = transport_at(sample);
    const std::size_t addresses_at = sample.is_v6 ? 8 : 12;
    const std::size_t addresses_end = sample.is_v6 ? 40 : 20;
    std::uint64_t sum = sample.packet[sample.is_v6 ? 6 : 9] + (sample.packet.size() - at);
    const auto add = [&sum, &sample](std::size_t from, std::size_t to) {
        for (std::size_t i = from; i < to; ++i) {
            const unsigned shift = (i - from) % 2 == 0 ? 8 : 0;
            sum += std::uint64_t{sample.packet[i]} << shift;
        }
    };
    add(addresses_at, addresses_end);
    add(at, sample.packet.size());
    while (sum > 0xFFFF) {
        sum = (sum & 0xFFFFU) + (sum >> 16U);
    }
    return static_cast<std::uint16_t>(~sum);
}

Sample make_sample(std::mt19937& random, bool is_v6, std::uint8_t protocol) {
    Bytes frame =
        testing::make_frame({.source = is_v6 ? "2001:db8:c::7" : "198.51.100.7",
                             .destination = is_v6 ? "2001:db8::10" : "203.0.113.10",
                             .protocol = protocol,
                             .ttl = static_cast<std::uint8_t>(random()),
                             .tos = static_cast<std::uint8_t>(random()),
                             .payload_bytes = random() % 1'500,
                             .option_bytes = is_v6 ? std::size_t{0} : 4 * (random() % 11)});
    const Sample shape{{frame.begin() + kIp, frame.end()}, is_v6};
    const std::size_t payload = kIp + transport_at(shape) + (protocol == kProtocolTcp ? 20 : 8);
    std::generate(frame.begin() + static_cast<std::ptrdiff_t>(payload), frame.end(), [&random] {
        return static_cast<std::uint8_t>(random());
    });
    Sample sample{{frame.begin() + kIp, frame.end()}, is_v6};
    const std::size_t field = transport_at(sample) + (protocol == kProtocolTcp ? 16 : 6);
    set_be16(sample.packet, field, 0);
    const std::uint16_t checksum = slow_transport_checksum(sample);
    set_be16(sample.packet,
             field,
             checksum == 0 && protocol == kProtocolUdp ? std::uint16_t{0xFFFF} : checksum);
    return sample;
}

// Both forms of zero are the same sum.
std::uint16_t canonical(std::uint64_t sum) {
    const std::uint16_t folded = fold_checksum(sum);
    return folded == 0xFFFFU ? std::uint16_t{0} : folded;
}

void expect_as_summed_in_full(const Sample& sample, const char* what) {
    EXPECT_EQ(canonical(sum_of_packet(sample.packet, sample.is_v6)),
              canonical(sum_bytes(sample.packet)))
        << what;
}

TEST(InnerSum, IsTheSumOfTheWholePacketForEveryRightOne) {
    std::mt19937 random(2784);  // the same packets every time
    for (int round = 0; round < 5'000; ++round) {
        for (const bool is_v6 : {false, true}) {
            for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
                expect_as_summed_in_full(make_sample(random, is_v6, protocol), "right");
            }
        }
    }
}

TEST(InnerSum, IsTheSumOfTheWholePacketWhereNoChecksumCoversIt) {
    std::mt19937 random(6936);  // the same packets every time
    for (int round = 0; round < 2'000; ++round) {
        for (const bool is_v6 : {false, true}) {
            const Sample udp = make_sample(random, is_v6, kProtocolUdp);
            const std::size_t at = transport_at(udp);
            Sample none = udp;
            set_be16(none.packet, at + 6, 0);
            expect_as_summed_in_full(none, "UDP without a checksum");
            Sample shorter = udp;
            shorter.packet.resize(shorter.packet.size() + 2, 0xEE);
            set_be16(shorter.packet,
                     is_v6 ? 4 : 2,
                     static_cast<std::uint16_t>(shorter.packet.size() -
                                                (is_v6 ? sizeof(Ipv6Header) : 0)));
            Sample other = udp;
            other.packet.at(is_v6 ? 6 : 9) = is_v6 ? kProtocolFragment : std::uint8_t{1};
            Sample cut = udp;
            cut.packet.resize(at + random() % 8);
            if (!is_v6) {
                Sample fragment = udp;
                set_be16(fragment.packet, 6, 0x2000);
                for (Sample* sample : {&shorter, &other, &cut, &fragment}) {
                    set_be16(sample->packet, 10, 0);
                    header_at<Ipv4Header>(sample->packet.data())
                        .checksum.set(checksum_of(std::span(sample->packet).first(at)));
                }
                expect_as_summed_in_full(fragment, "a fragment");
            }
            expect_as_summed_in_full(shorter, "UDP shorter than its packet");
            expect_as_summed_in_full(other, "another protocol, or an extension header");
            expect_as_summed_in_full(cut, "less than a UDP header");
        }
    }
}

TEST(InnerSum, AWrongInnerChecksumIsNotCoveredUp) {
    std::mt19937 random(1071);  // the same packets every time
    for (const bool is_v6 : {false, true}) {
        Sample sample = make_sample(random, is_v6, kProtocolTcp);
        sample.packet.at(transport_at(sample) + 4) ^= 0x10U;  // of the sequence number
        EXPECT_NE(canonical(sum_of_packet(sample.packet, is_v6)),
                  canonical(sum_bytes(sample.packet)));
    }
}

// The receiver's view: pseudo-header and UDP datagram sum up to all ones (RFC 8200, 8.1).
TEST(GueChecksum, SumsUpAtTheReceiverAndIsNeverZero) {
    std::mt19937 random(8200);  // the same packets every time
    const IpAddress source = testing::address("fd00::2");
    const IpAddress destination = testing::address("fd00:4::1");
    int ones = 0;
    for (std::uint32_t port = 0; port < 0x1'0000; ++port) {
        Bytes datagram(kGueBytes + 24);
        std::generate(datagram.begin() + kGueBytes, datagram.end(), [&random] {
            return static_cast<std::uint8_t>(random());
        });
        write_gue(datagram.data(), Be16::from_host(static_cast<std::uint16_t>(port)), 41, 24);
        const std::uint64_t inner = sum_bytes(std::span(datagram).subspan(kGueBytes));
        const Be16 checksum = gue_checksum(datagram.data(), inner, source, destination);
        header_at<UdpHeader>(datagram.data()).checksum.set(checksum);
        ASSERT_NE(checksum, Be16{});
        ones += checksum.raw() == 0xFFFFU ? 1 : 0;
        const std::uint64_t sum = sum_bytes(datagram) + sum_bytes(source.bytes()) +
                                  sum_bytes(destination.bytes()) +
                                  Be16::from_host(kGueBytes + 24).raw() + Be16::from_host(17).raw();
        ASSERT_EQ(fold_checksum(sum), 0xFFFFU);
    }
    EXPECT_GE(ones, 1) << "the case that RFC 768 makes an exception for has to be met";
}

}  // namespace
}  // namespace fairlead
