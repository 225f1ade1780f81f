// The tables of routes, interfaces and tunnel sources, without a kernel.
#include <algorithm>

#include <gtest/gtest.h>

#include "ctl/neighbor/interface_table.h"
#include "ctl/neighbor/route_table.h"
#include "ctl/neighbor/tunnel_source.h"

namespace fairlead::neighbor {
namespace {

IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}

Route route(int interface, const char* source) {
    Route route;
    route.is_unicast = true;
    route.interface_index = interface;
    route.source = ip(source);
    return route;
}

class RouteTableTest : public testing::Test {
  protected:
    RouteTableTest() {
        table_.store(ip("10.1.0.1"), route(2, "10.1.0.9"));
        table_.store(ip("10.1.0.2"), route(2, "10.1.0.9"));
        table_.store(ip("10.2.0.1"), route(3, "10.2.0.9"));
        table_.store(ip("2001:db8::1"), route(2, "2001:db8::9"));
        table_.store(ip("192.0.2.1"), std::nullopt);
    }
    std::vector<IpAddress> outdated() { return table_.take_outdated(99); }

    RouteTable table_;
};

TEST_F(RouteTableTest, AChangedPrefixOutdatesWhatLiesInItAlone) {
    table_.outdate({ip("172.16.0.0"), 12});
    EXPECT_FALSE(table_.has_outdated());
    table_.outdate({ip("10.1.0.0"), 16});
    EXPECT_EQ(outdated(), (std::vector{ip("10.1.0.1"), ip("10.1.0.2")}));
    table_.outdate({ip("10.1.0.2"), 32});
    EXPECT_EQ(outdated(), (std::vector{ip("10.1.0.2")}));
    table_.outdate({ip("0.0.0.0"), 0});
    EXPECT_EQ(outdated().size(), 4U) << "the IPv4 ones";
    table_.outdate({ip("::"), 0});
    EXPECT_EQ(outdated(), (std::vector{ip("2001:db8::1")}));
}

TEST_F(RouteTableTest, AnInterfaceOutdatesItsOwnAndThoseThatReachNothing) {
    table_.outdate_interface(3);
    EXPECT_EQ(outdated(), (std::vector{ip("10.2.0.1"), ip("192.0.2.1")}));
    table_.store(ip("10.2.0.1"), route(2, "10.1.0.9"));
    table_.outdate_interface(3);
    EXPECT_EQ(outdated(), (std::vector{ip("192.0.2.1")}));
}

TEST_F(RouteTableTest, ASourceOutdatesThoseThatHaveItAndThoseWithoutOne) {
    table_.outdate_source(ip("10.1.0.9"));
    EXPECT_EQ(outdated(), (std::vector{ip("10.1.0.1"), ip("10.1.0.2"), ip("192.0.2.1")}));
}

TEST_F(RouteTableTest, WhatIsForgottenIsNotAskedForAgain) {
    table_.outdate_family(true);
    table_.forget(ip("10.1.0.1"));
    EXPECT_EQ(table_.find(ip("10.1.0.1")), nullptr);
    EXPECT_EQ(table_.take_outdated(2).size(), 2U);
    EXPECT_EQ(outdated().size(), 1U);
    table_.outdate_interface(2);
    EXPECT_EQ(outdated().size(), 3U);
}

TEST(InterfaceTable, FollowsAddressesAndPutsDeprecatedOnesLast) {
    InterfaceTable table;
    Interface link;
    link.index = 7;
    link.name = "edge";
    const AddressChanged deprecated{7, {ip("2001:db8::99"), true, false}, false};
    EXPECT_TRUE(table.apply(deprecated)) << "an address may come before its link";
    EXPECT_TRUE(table.apply(LinkChanged{link}));
    EXPECT_FALSE(table.apply(LinkChanged{link}));
    EXPECT_TRUE(table.apply(AddressChanged{7, {ip("2001:db8::2"), true, true}, false}));
    EXPECT_TRUE(table.apply(AddressChanged{7, {ip("fe80::2"), false, true}, false}));
    EXPECT_FALSE(table.apply(deprecated));
    ASSERT_NE(table.find(7), nullptr);
    EXPECT_EQ(table.find(7)->addresses, (std::vector{ip("2001:db8::2"), ip("2001:db8::99")}));
    EXPECT_TRUE(table.has_address(ip("fe80::2")));
    EXPECT_TRUE(table.apply(AddressChanged{1, {ip("2001:db8::2"), true, true}, false}));
    EXPECT_TRUE(table.apply(LinkGone{7}));
    EXPECT_TRUE(table.has_address(ip("2001:db8::2"))) << "another interface has it too";
    EXPECT_FALSE(table.has_address(ip("fe80::2")));
    EXPECT_EQ(table.find(7), nullptr);
    EXPECT_FALSE(table.apply(AddressChanged{7, {ip("fe80::2"), false, true}, true}));
}

class TunnelSourceTest : public testing::Test {
  protected:
    IpAddress choose(const char* otherwise = "::") {
        return source_.choose(ip(otherwise), [this](const IpAddress& address) {
            return std::find(ours_.begin(), ours_.end(), address) != ours_.end();
        });
    }
    static SourceVote vote(const char* source, bool is_set = false) { return {ip(source), is_set}; }

    TunnelSource source_;
    std::vector<IpAddress> ours_{ip("fd00::1"), ip("fd00::2"), ip("fd00::3")};
};

TEST_F(TunnelSourceTest, TheKernelsChoiceStaysWhileTheHostHasTheAddress) {
    EXPECT_EQ(choose("fd00::3"), ip("fd00::3")) << "no backend yet";
    source_.add(vote("fd00::1"));
    source_.add(vote("fd00::1"));
    source_.add(vote("fd00::2"));
    EXPECT_EQ(choose("fd00::3"), ip("fd00::1")) << "that of most";
    source_.remove(vote("fd00::1"));
    source_.add(vote("fd00::2"));
    EXPECT_EQ(choose("fd00::3"), ip("fd00::1")) << "another order of the kernel's moves nothing";
    ours_.erase(ours_.begin());
    EXPECT_EQ(choose("fd00::3"), ip("fd00::2"));
}

TEST_F(TunnelSourceTest, ARouteThatNamesItsSourceMovesItIfItCountsForMore) {
    source_.add(vote("fd00::1"));
    source_.add(vote("fd00::1"));
    EXPECT_EQ(choose(), ip("fd00::1"));
    source_.remove(vote("fd00::1"));
    source_.add(vote("fd00::2", true));
    EXPECT_EQ(choose(), ip("fd00::1")) << "one of two";
    ASSERT_TRUE(source_.other());
    EXPECT_EQ(source_.other()->source, ip("fd00::2"));
    EXPECT_EQ(source_.other()->backends, 1U);
    source_.remove(vote("fd00::1"));
    source_.add(vote("fd00::2", true));
    EXPECT_EQ(choose(), ip("fd00::2"));
    EXPECT_FALSE(source_.other());
}

TEST_F(TunnelSourceTest, AnEarlierDaemonsChoiceStays) {
    source_.keep(ip("fd00::2"));
    source_.add(vote("fd00::1"));
    EXPECT_EQ(choose("fd00::3"), ip("fd00::2"));
    ours_ = {ip("fd00::1")};
    EXPECT_EQ(choose("fd00::3"), ip("fd00::1"));
}

TEST_F(TunnelSourceTest, WithoutVotesItIsTheInterfacesAndAFlappingRouteTakesNothingAway) {
    EXPECT_EQ(choose(), IpAddress{});
    EXPECT_EQ(choose("fd00::3"), ip("fd00::3"));
    source_.add(vote("fd00::1"));
    EXPECT_EQ(choose("fd00::3"), ip("fd00::1"));
    source_.remove(vote("fd00::1"));
    EXPECT_EQ(choose("fd00::3"), ip("fd00::1"));
}

}  // namespace
}  // namespace fairlead::neighbor
