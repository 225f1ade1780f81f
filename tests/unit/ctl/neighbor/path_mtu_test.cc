#include "ctl/neighbor/path_mtu.h"

#include <vector>

#include <gtest/gtest.h>

#include "dp/net/checksum.h"
#include "dp/net/parse.h"

namespace fairlead::neighbor {
namespace {

using Bytes = std::vector<std::uint8_t>;
using std::chrono::minutes;
using std::chrono::seconds;

IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}

struct Quote {
    std::uint8_t protocol = kProtocolIpip;
    std::uint16_t mtu = 1400;
    std::uint16_t port = 6080;  // of the quoted UDP header
    std::uint8_t header_words = 5;
    std::uint16_t offset_words = 0;
};

// What a raw socket hands out: an IPv4 header, ICMP, and the quote of an outer header and 8 bytes.
Bytes message_v4(const Quote& quote = {}) {
    Bytes packet(20 + 8 + quote.header_words * 4U + 8);
    packet[0] = 0x45;
    packet[9] = kProtocolIcmp;
    auto& icmp = header_at<IcmpHeader>(packet.data() + 20);
    icmp.type = kIcmpUnreachable;
    icmp.code = kIcmpCodeFragmentationNeeded;
    icmp.rest.set(Be32::from_host(quote.mtu));
    auto& outer = header_at<Ipv4Header>(packet.data() + 28);
    outer.version_and_length = static_cast<std::uint8_t>(0x40U | quote.header_words);
    outer.flags_and_offset.set(Be16::from_host(quote.offset_words));
    outer.protocol = quote.protocol;
    outer.source.set(ip("10.0.0.2").v4());
    outer.destination.set(ip("10.0.4.1").v4());
    header_at<UdpHeader>(packet.data() + 28 + std::size_t{4} * quote.header_words)
        .destination_port.set(Be16::from_host(quote.port));
    icmp.checksum.set(checksum_of(std::span(packet).subspan(20)));
    return packet;
}

Bytes message_v6(std::uint8_t next_header, std::uint32_t mtu, std::uint8_t type = 2) {
    Bytes message(8 + 40 + 8);
    auto& icmp = header_at<IcmpHeader>(message.data());
    icmp.type = type;
    icmp.rest.set(Be32::from_host(mtu));
    auto& outer = header_at<Ipv6Header>(message.data() + 8);
    outer.version_class_label.set(Be32::from_host(0x6000'0000));
    outer.next_header = next_header;
    outer.source = ip("fd00::2").bytes();
    outer.destination = ip("fd00:4::1").bytes();
    header_at<UdpHeader>(message.data() + 48).destination_port.set(kGuePort);
    return message;
}

TEST(TunnelError, TellsBothEndsAndTheMtuOfEveryTunnel) {
    for (const std::uint8_t protocol : {kProtocolIpip, kProtocolIpv6, kProtocolGre, kProtocolUdp}) {
        const auto v4 = read_tunnel_error_v4(message_v4({.protocol = protocol}));
        ASSERT_TRUE(v4) << unsigned{protocol};
        EXPECT_EQ(v4->source, ip("10.0.0.2"));
        EXPECT_EQ(v4->destination, ip("10.0.4.1"));
        EXPECT_EQ(v4->mtu_bytes, 1400U);
        const auto v6 = read_tunnel_error_v6(message_v6(protocol, 1380));
        ASSERT_TRUE(v6) << unsigned{protocol};
        EXPECT_EQ(v6->source, ip("fd00::2"));
        EXPECT_EQ(v6->destination, ip("fd00:4::1"));
        EXPECT_EQ(v6->mtu_bytes, 1380U);
    }
    EXPECT_TRUE(read_tunnel_error_v4(message_v4({.header_words = 7}))) << "options in the quote";
}

TEST(TunnelError, IsNoOtherMessage) {
    EXPECT_FALSE(read_tunnel_error_v4(message_v4({.protocol = kProtocolTcp})));
    EXPECT_FALSE(read_tunnel_error_v4(message_v4({.protocol = kProtocolUdp, .port = 53})));
    EXPECT_FALSE(read_tunnel_error_v4(message_v4({.offset_words = 185})));
    EXPECT_FALSE(read_tunnel_error_v4(message_v4({.header_words = 4})));
    Bytes damaged = message_v4();
    damaged[27] ^= 1U;
    EXPECT_FALSE(read_tunnel_error_v4(damaged)) << "the checksum does not fit";
    Bytes port_unreachable = message_v4();
    port_unreachable[21] = kIcmpCodePort;
    EXPECT_FALSE(read_tunnel_error_v4(port_unreachable));
    EXPECT_FALSE(read_tunnel_error_v6(message_v6(kProtocolTcp, 1380)));
    EXPECT_FALSE(read_tunnel_error_v6(message_v6(kProtocolIpip, 1380, kIcmpv6TimeExceeded)));
}

TEST(TunnelError, IsNeverReadBeyondItsEnd) {
    const Bytes v4 = message_v4({.protocol = kProtocolUdp});
    const Bytes v6 = message_v6(kProtocolUdp, 1380);
    for (std::size_t size = 0; size < v4.size(); ++size) {
        const Bytes cut(v4.begin(), v4.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_FALSE(read_tunnel_error_v4(cut)) << size;  // the checksum covers the whole
    }
    for (std::size_t size = 0; size < v6.size(); ++size) {
        const Bytes cut(v6.begin(), v6.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_FALSE(read_tunnel_error_v6(cut)) << size;
    }
}

class PathMtuTableTest : public testing::Test {
  protected:
    bool note(const char* backend, std::uint32_t mtu, seconds at) {
        return table_.note({.destination = ip(backend), .mtu_bytes = mtu}, start_ + at);
    }
    PathMtuTable table_;
    PathMtuTable::Clock::time_point start_{};
};

TEST_F(PathMtuTableTest, KeepsTheSmallestThatWasSaidAndNeverLessThanAPathMustCarry) {
    EXPECT_EQ(table_.of(ip("10.0.4.1")), std::nullopt);
    EXPECT_TRUE(note("10.0.4.1", 1400, seconds(0)));
    EXPECT_FALSE(note("10.0.4.1", 1400, seconds(1)));
    EXPECT_FALSE(note("10.0.4.1", 1450, seconds(2))) << "a message never raises it";
    EXPECT_EQ(table_.of(ip("10.0.4.1")), 1400U);
    EXPECT_TRUE(note("10.0.4.1", 0, seconds(3)));
    EXPECT_EQ(table_.of(ip("10.0.4.1")), kLeastPathMtuV4);
    EXPECT_TRUE(note("fd00:4::1", 68, seconds(4)));
    EXPECT_EQ(table_.of(ip("fd00:4::1")), kLeastPathMtuV6);
    EXPECT_EQ(table_.of(ip("fd00:4::2")), std::nullopt);
}

TEST_F(PathMtuTableTest, ForgetsTenMinutesAfterItWasLastSaid) {
    EXPECT_EQ(table_.next_end(), std::nullopt);
    note("10.0.4.1", 1400, seconds(0));
    note("10.0.4.2", 1300, seconds(30));
    note("10.0.4.1", 1400, seconds(60));
    note("10.0.4.2", 1350, seconds(90));  // does not prolong what is smaller
    EXPECT_EQ(table_.next_end(), start_ + minutes(10) + seconds(30));
    EXPECT_FALSE(table_.expire(start_ + minutes(10)));
    EXPECT_TRUE(table_.expire(start_ + minutes(10) + seconds(30)));
    EXPECT_EQ(table_.of(ip("10.0.4.2")), std::nullopt);
    EXPECT_EQ(table_.of(ip("10.0.4.1")), 1400U);
    EXPECT_TRUE(table_.expire(start_ + minutes(11)));
    EXPECT_EQ(table_.next_end(), std::nullopt);
}

}  // namespace
}  // namespace fairlead::neighbor
