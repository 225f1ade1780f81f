#include "ctl/agent/settings.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

Arguments good() {
    Arguments arguments;
    arguments.interface_name = "eth0";
    arguments.vips = {"203.0.113.10", "2001:db8::10"};
    arguments.balancers = {"10.0.1.2", "fd00:1::/64"};
    arguments.run_dir = "/run/fairlead";
    return arguments;
}

std::vector<std::string> mistakes(const Arguments& arguments) {
    const auto settings = check(arguments);
    std::vector<std::string> messages;
    if (!settings) {
        for (const Error& error : settings.error()) {
            messages.push_back(error.message);
        }
    }
    return messages;
}

IpAddress address(const char* text) {
    return IpAddress::parse(text).value();
}

TEST(AgentSettings, AddressesOfBothFamiliesAndPrefixesAreTaken) {
    const auto settings = check(good());
    ASSERT_TRUE(settings);
    EXPECT_THAT(settings->vips, ElementsAre(address("203.0.113.10"), address("2001:db8::10")));
    EXPECT_THAT(settings->balancers,
                ElementsAre(AddressPrefix{address("10.0.1.2"), 32},
                            AddressPrefix{address("fd00:1::"), 64}));
    EXPECT_TRUE(settings->takes_tunnels());
}

TEST(AgentSettings, AnAddressNamedTwiceCountsOnce) {
    Arguments arguments = good();
    arguments.vips = {"203.0.113.10", "203.0.113.10"};
    arguments.balancers = {"10.0.1.2", "10.0.1.2/32"};
    const auto settings = check(arguments);
    ASSERT_TRUE(settings);
    EXPECT_THAT(settings->vips, SizeIs(1));
    EXPECT_THAT(settings->balancers, SizeIs(1));
}

TEST(AgentSettings, WithoutTunnelsNoBalancerIsNeeded) {
    Arguments arguments = good();
    arguments.no_tunnel = true;
    arguments.balancers.clear();
    const auto settings = check(arguments);
    ASSERT_TRUE(settings);
    EXPECT_FALSE(settings->takes_tunnels());
}

TEST(AgentSettings, AllMistakesAreFoundAtOnce) {
    Arguments arguments;
    arguments.vips = {"203.0.113.1000", "203.0.113.10/32"};
    arguments.balancers = {"lb1.example"};
    EXPECT_THAT(mistakes(arguments),
                ElementsAre(HasSubstr("--interface is missing"),
                            HasSubstr("\"203.0.113.1000\" is no IP address"),
                            HasSubstr("without port or prefix"),
                            HasSubstr("\"lb1.example\" is no IP address")));
}

TEST(AgentSettings, TunnelsNeedABalancerOrToBeRuledOut) {
    Arguments arguments = good();
    arguments.balancers.clear();
    EXPECT_THAT(mistakes(arguments), ElementsAre(HasSubstr("--balancer is missing")));
    arguments = good();
    arguments.no_tunnel = true;
    EXPECT_THAT(mistakes(arguments), ElementsAre(HasSubstr("leave one out")));
}

TEST(AgentSettings, AddressesThatCannotBeServedAreRefused) {
    for (const char* text : {"0.0.0.0",
                             "0.1.2.3",
                             "127.0.0.1",
                             "169.254.1.1",
                             "224.0.0.1",
                             "255.255.255.255",
                             "::",
                             "::1",
                             "fe80::1",
                             "febf::1",
                             "ff02::1"}) {
        Arguments arguments = good();
        arguments.vips = {text};
        EXPECT_THAT(mistakes(arguments), ElementsAre(HasSubstr("cannot be a VIP"))) << text;
    }
}

TEST(AgentSettings, APrefixMustFitItsFamilyAndNotTakeInEverybody) {
    for (const char* text : {"10.0.0.0/33",
                             "10.0.0.0/7",
                             "0.0.0.0/0",
                             "::/0",
                             "2001::/15",
                             "fd00::/129",
                             "10.0.0.0/",
                             "10.0.0.0/8x",
                             "10.0.0.0/-8",
                             "10.0.0.0/ 8"}) {
        Arguments arguments = good();
        arguments.balancers = {text};
        EXPECT_THAT(mistakes(arguments), ElementsAre(HasSubstr("wrong prefix length"))) << text;
    }
    for (const char* text : {"10.0.0.0/8", "10.0.0.0/32", "2001::/16", "fd00::/128"}) {
        Arguments arguments = good();
        arguments.balancers = {text};
        EXPECT_THAT(mistakes(arguments), SizeIs(0)) << text;
    }
}

TEST(AgentSettings, AVipIsNoBalancer) {
    Arguments arguments = good();
    arguments.balancers = {"203.0.113.10"};
    EXPECT_THAT(mistakes(arguments), ElementsAre(HasSubstr("as VIP and as balancer")));
}

TEST(AgentSettings, AnMssIsOneThatASegmentCanHave) {
    for (const unsigned mss : {0U, 535U, 9'177U, 70'000U}) {
        Arguments arguments = good();
        arguments.mss = mss;
        EXPECT_THAT(mistakes(arguments), ElementsAre(HasSubstr("from 536 to 9176"))) << mss;
    }
    for (const unsigned mss : {536U, 1'400U, 9'176U}) {
        Arguments arguments = good();
        arguments.mss = mss;
        EXPECT_THAT(mistakes(arguments), SizeIs(0)) << mss;
    }
    Arguments arguments = good();
    arguments.balancers.clear();
    arguments.no_tunnel = true;
    arguments.mss = 1'400;
    EXPECT_THAT(mistakes(arguments), ElementsAre(HasSubstr("--mss means nothing")));
}

TEST(AgentSettings, LoIsNotWhereTrafficArrives) {
    Arguments arguments = good();
    arguments.interface_name = "lo";
    EXPECT_THAT(mistakes(arguments), ElementsAre(HasSubstr("which lo is not")));
}

}  // namespace
}  // namespace fairlead::agent
