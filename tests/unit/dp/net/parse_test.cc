#include "dp/net/parse.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/packets.h"

namespace fairlead {
namespace {

TEST(Martian, AnIpv4SourceThatNoClientCanHave) {
    const std::vector<std::pair<std::string, bool>> cases{
        {"0.0.0.0", true},
        {"0.255.255.255", true},
        {"1.0.0.0", false},
        {"126.255.255.255", false},
        {"127.0.0.1", true},
        {"127.255.255.255", true},
        {"128.0.0.0", false},
        {"10.0.0.1", false},
        {"192.168.1.1", false},
        {"223.255.255.255", false},
        {"224.0.0.0", true},
        {"239.1.2.3", true},
        {"240.0.0.1", true},
        {"255.255.255.255", true},
    };
    for (const auto& [text, is_martian] : cases) {
        EXPECT_EQ(is_martian_v4(testing::address(text).v4()), is_martian) << text;
    }
}

TEST(Martian, AnIpv6SourceThatNoClientCanHave) {
    const std::vector<std::pair<std::string, bool>> cases{
        {"::", true},
        {"::1", true},
        {"::2", false},
        {"ff02::1", true},
        {"ff00::", true},
        {"fe80::1", false},  // of the link, but a router's or a neighbor's
        {"2001:db8::1", false},
        {"::fffe:0:0", false},
        {"64:ff9b::1.2.3.4", false},
        {"::1:0:0", false},
    };
    for (const auto& [text, is_martian] : cases) {
        EXPECT_EQ(is_martian_v6(testing::address(text).bytes()), is_martian) << text;
    }
    EXPECT_TRUE(is_martian_v6(testing::address("192.0.2.1").bytes())) << "::ffff:192.0.2.1";
}

TEST(LinkLocal, IsWhatNoRouterPassesOn) {
    for (const auto& [text, is_of_link] :
         std::vector<std::pair<std::string, bool>>{{"169.253.255.255", false},
                                                   {"169.254.0.0", true},
                                                   {"169.254.255.255", true},
                                                   {"169.255.0.0", false}}) {
        EXPECT_EQ(is_link_local_v4(testing::address(text).v4()), is_of_link) << text;
    }
    for (const auto& [text, is_of_link] :
         std::vector<std::pair<std::string, bool>>{{"fe7f:ffff::1", false},
                                                   {"fe80::", true},
                                                   {"febf:ffff::1", true},
                                                   {"fec0::1", false},
                                                   {"2001:db8::1", false}}) {
        EXPECT_EQ(is_link_local_v6(testing::address(text).bytes()), is_of_link) << text;
    }
}

TEST(Parse, TellsAV4MappedAddressFromOthers) {
    EXPECT_TRUE(is_v4_mapped(testing::address("192.0.2.1").bytes()));
    EXPECT_FALSE(is_v4_mapped(testing::address("::192.0.2.1").bytes()));
    EXPECT_FALSE(is_v4_mapped(testing::address("1::ffff:0:1").bytes()));
}

TEST(Parse, ReadsFieldsAtAnyAddress) {
    testing::Bytes bytes(1 + sizeof(Ipv4Header));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::uint8_t>(i);
    }
    for (const std::size_t offset : {0U, 1U}) {
        const auto& ip = header_at<Ipv4Header>(std::as_const(bytes).data() + offset);
        EXPECT_EQ(ip.total_length.get().host(), (2 + offset) << 8U | (3 + offset));
        EXPECT_EQ(ip.ttl, 8 + offset);
    }
}

}  // namespace
}  // namespace fairlead
