#include "dp/net/encap.h"

#include <array>
#include <cstring>

#include <gtest/gtest.h>

#include "dp/net/checksum.h"
#include "dp/net/parse.h"
#include "tests/support/packets.h"

namespace fairlead {
namespace {

using testing::address;
using testing::Bytes;

Bytes inner_packet(const testing::FrameSpec& spec) {
    const Bytes frame = testing::make_frame(spec);
    return {frame.begin() + sizeof(EthernetHeader), frame.end()};
}

TEST(Encap, WritesTheOuterIpv4HeaderOfRfc2003) {
    Bytes inner = inner_packet({.tos = 0xB9, .payload_bytes = 100});
    const auto& header = header_at<Ipv4Header>(inner.data());
    Bytes outer(sizeof(Ipv4Header), 0xEE);
    write_4in4(outer.data(), header, address("10.0.0.2"), address("10.0.4.1"));

    const Bytes expected_start{0x45, 0xB9, 0x00, 0xA0, 0x00, 0x00, 0x40, 0x00, 0x40, 0x04};
    EXPECT_TRUE(std::equal(expected_start.begin(), expected_start.end(), outer.begin()));
    const Bytes expected_addresses{10, 0, 0, 2, 10, 0, 4, 1};
    EXPECT_TRUE(
        std::equal(expected_addresses.begin(), expected_addresses.end(), outer.begin() + 12));
    EXPECT_EQ(checksum_of(outer), Be16{});
}

TEST(Encap, WritesTheOuterIpv6HeaderOfRfc2473) {
    const Bytes inner = inner_packet({.source = "2001:db8:1::7",
                                      .destination = "2001:db8::10",
                                      .tos = 0x5C,
                                      .payload_bytes = 10});
    Bytes outer(sizeof(Ipv6Header), 0xEE);
    write_6in6(outer.data(),
               header_at<Ipv6Header>(inner.data()),
               address("fd00::2"),
               address("fd00::4:1"));
    const Bytes expected_start{0x65, 0xCA, 0xBC, 0xDE, 0x00, 20 + 10 + 40, 41, 64};
    EXPECT_TRUE(std::equal(expected_start.begin(), expected_start.end(), outer.begin()));
    EXPECT_TRUE(
        std::equal(outer.begin() + 8, outer.begin() + 24, address("fd00::2").bytes().begin()));
    EXPECT_TRUE(std::equal(outer.begin() + 24, outer.end(), address("fd00::4:1").bytes().begin()));
}

TEST(Encap, APacketInIpv4MayNotBeFragmentedOnTheWay) {
    const Bytes v4 = inner_packet({.tos = 0x5C});
    const Bytes v6 =
        inner_packet({.source = "2001:db8:1::7", .destination = "2001:db8::10", .tos = 0x5C});
    for (OuterFields fields : {outer_fields(header_at<Ipv4Header>(v4.data()), 0),
                               outer_fields(header_at<Ipv6Header>(v6.data()))}) {
        fields.payload_bytes = 60;
        fields.protocol = kProtocolIpv6;
        Bytes outer(sizeof(Ipv4Header), 0xEE);
        write_outer_v4(outer.data(), fields, address("10.0.0.2"), address("10.0.4.1"));
        const Bytes expected_start{0x45, 0x5C, 0x00, 80, 0x00, 0x00, 0x40, 0x00, 64, 41};
        EXPECT_TRUE(std::equal(expected_start.begin(), expected_start.end(), outer.begin()));
        EXPECT_EQ(checksum_of(outer), Be16{});
    }
}

TEST(Encap, AnIpv4PacketInIpv6GetsTheLabelItIsGiven) {
    const Bytes inner = inner_packet({.tos = 0xB9});
    OuterFields fields = outer_fields(header_at<Ipv4Header>(inner.data()), 0xFFF1'2345);
    fields.payload_bytes = 44;
    fields.protocol = kProtocolGre;
    Bytes outer(sizeof(Ipv6Header), 0xEE);
    write_outer_v6(outer.data(), fields, address("fd00::2"), address("fd00::4:1"));
    const Bytes expected_start{0x6B, 0x91, 0x23, 0x45, 0x00, 44, 47, 64};
    EXPECT_TRUE(std::equal(expected_start.begin(), expected_start.end(), outer.begin()));
}

TEST(Encap, WritesTheGreHeaderOfRfc2784) {
    Bytes gre(4, 0xEE);
    write_gre(gre.data(), kEtherTypeIpv6);
    EXPECT_EQ(gre, (Bytes{0, 0, 0x86, 0xDD}));
}

TEST(Encap, WritesUdpAndGueHeader) {
    Bytes headers(kGueBytes, 0xEE);
    write_gue(headers.data(), Be16::from_host(0xC123), 4, 40);
    EXPECT_EQ(headers, (Bytes{0xC1, 0x23, 0x17, 0xC0, 0, 52, 0, 0, 0, 4, 0, 0}));
}

TEST(Encap, LoweringTheTtlKeepsTheChecksumRight) {
    for (unsigned ttl = 1; ttl < 256; ++ttl) {
        for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
            Bytes packet =
                inner_packet({.protocol = protocol, .ttl = static_cast<std::uint8_t>(ttl)});
            auto& header = header_at<Ipv4Header>(packet.data());
            decrement_ttl(header);
            EXPECT_EQ(header.ttl, ttl - 1);
            EXPECT_TRUE(has_right_checksum(header, sizeof(Ipv4Header))) << ttl;
        }
    }
}

TEST(Encap, TheHeaderChecksumCoversOptions) {
    Bytes packet = inner_packet({.option_bytes = 40});
    EXPECT_TRUE(has_right_checksum(header_at<Ipv4Header>(packet.data()), 60));
    packet[59] ^= 1U;
    EXPECT_FALSE(has_right_checksum(header_at<Ipv4Header>(packet.data()), 60));
}

}  // namespace
}  // namespace fairlead
