#include "dp/engine/solicited_groups.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <net/if.h>

#include <gtest/gtest.h>

#include "tests/support/packets.h"

namespace fairlead::engine {
namespace {

using fairlead::testing::address;

// The group's digits in /proc/net/igmp6 of the loopback interface, as it joins groups like others.
std::size_t members_of(const std::string& digits) {
    std::ifstream groups("/proc/self/net/igmp6");
    std::string line;
    std::size_t found = 0;
    while (std::getline(groups, line)) {
        if (line.find(" lo ") != std::string::npos && line.find(digits) != std::string::npos) {
            ++found;
        }
    }
    return found;
}

bool has_ipv6() {
    return std::ifstream("/proc/self/net/igmp6").good() && members_of("") > 0;
}

TEST(SolicitedGroups, TheGroupIsThePrefixAndTheLastThreeBytes) {
    const in6_addr group = solicited_group_of(address("2001:db8::a1b2:c3d4"));
    std::array<char, INET6_ADDRSTRLEN> text{};
    ASSERT_NE(::inet_ntop(AF_INET6, &group, text.data(), text.size()), nullptr);
    EXPECT_STREQ(text.data(), "ff02::1:ffb2:c3d4");
}

TEST(SolicitedGroups, MembershipsFollowTheVipsAndEndWithTheObject) {
    if (!has_ipv6()) {
        GTEST_SKIP() << "the loopback interface here has no IPv6";
    }
    const std::array<unsigned, 1> lo{::if_nametoindex("lo")};
    {
        SolicitedGroups groups;
        const std::vector<IpAddress> both{
            address("2001:db8::f0:1"), address("2001:db8::f0:2"), address("203.0.113.10")};
        ASSERT_TRUE(groups.follow(both, lo));
        EXPECT_EQ(members_of("fff00001"), 1);
        EXPECT_EQ(members_of("fff00002"), 1);
        ASSERT_TRUE(groups.follow(std::vector{both[1]}, lo));
        EXPECT_EQ(members_of("fff00001"), 0);
        EXPECT_EQ(members_of("fff00002"), 1);
    }
    EXPECT_EQ(members_of("fff00002"), 0);
}

TEST(SolicitedGroups, ThousandsOfVipsFindRoom) {
    if (!has_ipv6()) {
        GTEST_SKIP() << "the loopback interface here has no IPv6";
    }
    std::vector<IpAddress> vips;
    for (std::uint32_t i = 0; i < 4'096; ++i) {
        std::array<std::uint8_t, 16> bytes = address("2001:db8::e0:0").bytes();
        bytes[14] = static_cast<std::uint8_t>(i >> 8U);
        bytes[15] = static_cast<std::uint8_t>(i);
        vips.push_back(IpAddress::from_v6(bytes));
    }
    SolicitedGroups groups;
    ASSERT_TRUE(groups.follow(vips, std::array<unsigned, 1>{::if_nametoindex("lo")}));
    EXPECT_EQ(members_of("ffe0"), vips.size());
}

TEST(SolicitedGroups, AnInterfaceThatIsNotThereIsSaid) {
    SolicitedGroups groups;
    const std::array<unsigned, 1> nobody{0x7FFF'FFF0};
    EXPECT_FALSE(groups.follow(std::vector{address("2001:db8::10")}, nobody));
    EXPECT_TRUE(groups.follow(std::vector{address("203.0.113.10")}, nobody));
}

}  // namespace
}  // namespace fairlead::engine
