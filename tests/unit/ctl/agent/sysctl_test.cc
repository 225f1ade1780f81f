#include "ctl/agent/sysctl.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::agent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

// How a host with these settings answers; what is not named is 0.
ReadSysctl host(const std::map<std::string, int>& settings) {
    return [settings](const std::string& name) -> Result<int> {
        const auto setting = settings.find(name);
        return setting == settings.end() ? 0 : setting->second;
    };
}

// The changes for eth0, as name to wanted value, on a host with these settings.
std::map<std::string, int> changes(const std::map<std::string, int>& settings,
                                   const std::vector<TunnelDevice>& tunnels = {}) {
    const auto found = needed_changes("eth0", tunnels, host(settings));
    std::map<std::string, int> wanted;
    if (found) {
        for (const SysctlChange& change : *found) {
            wanted.emplace(change.name, change.wanted);
        }
    }
    return wanted;
}

TEST(AgentSysctl, AHostAsInstalledNeedsTheArpSettings) {
    EXPECT_THAT(changes({}),
                UnorderedElementsAre(Pair("net/ipv4/conf/all/arp_ignore", 1),
                                     Pair("net/ipv4/conf/eth0/arp_ignore", 1),
                                     Pair("net/ipv4/conf/all/arp_announce", 2),
                                     Pair("net/ipv4/conf/eth0/arp_announce", 2)));
}

TEST(AgentSysctl, WhatServesAlreadyIsLeftAlone) {
    EXPECT_THAT(changes({{"net/ipv4/conf/all/arp_ignore", 2},
                         {"net/ipv4/conf/eth0/arp_ignore", 8},
                         {"net/ipv4/conf/all/arp_announce", 2},
                         {"net/ipv4/conf/eth0/arp_announce", 2}}),
                IsEmpty());
}

TEST(AgentSysctl, ArpIgnore3WouldAnswerForAVipAndIsReplaced) {
    EXPECT_EQ(changes({{"net/ipv4/conf/all/arp_ignore", 3}}).at("net/ipv4/conf/all/arp_ignore"), 1);
}

TEST(AgentSysctl, StrictSourceChecksBecomeLooseWhereverTheyWereAskedFor) {
    const std::string here = "net/ipv4/conf/eth0/rp_filter";
    const std::string everywhere = "net/ipv4/conf/all/rp_filter";
    EXPECT_EQ(changes({{here, 1}}).at(here), 2);
    EXPECT_EQ(changes({{everywhere, 1}}).at(here), 2);
    EXPECT_EQ(changes({}).count(here), 0U);
    EXPECT_EQ(changes({{everywhere, 2}, {here, 1}}).count(here), 0U);
    EXPECT_EQ(changes({{everywhere, 1}}).count(everywhere), 0U);
}

const std::string kAll = "net/ipv4/conf/all/rp_filter";
const std::string kTunnel = "net/ipv4/conf/tunl0/rp_filter";

TEST(AgentSysctl, AStrictSourceCheckBecomesLooseOnATunnelDeviceWithAnAddress) {
    const std::vector<TunnelDevice> tunnels{{"tunl0", true}};
    EXPECT_EQ(changes({{kTunnel, 1}}, tunnels).at(kTunnel), 2);
    EXPECT_EQ(changes({{kAll, 1}}, tunnels).at(kTunnel), 2);
    EXPECT_EQ(changes({{kAll, 2}}, tunnels).count(kTunnel), 0U);
    EXPECT_EQ(changes({}, tunnels).count(kTunnel), 0U);
    EXPECT_EQ(changes({{kTunnel, 1}}).count(kTunnel), 0U);
}

TEST(AgentSysctl, OnATunnelDeviceWithoutAnAddressLooseWouldNotHelpAndIsNotSet) {
    EXPECT_EQ(changes({{kTunnel, 1}}, {{"tunl0", false}}).count(kTunnel), 0U);
}

TEST(AgentSysctl, ATunnelDeviceThatDropsInSilenceIsNamedWithTheWayOut) {
    const std::vector<TunnelDevice> tunnels{{"tunl0", false}, {"gre0", true}};
    for (const int value : {1, 2}) {
        const auto sentences = silent_tunnels(tunnels, host({{kTunnel, value}}));
        ASSERT_EQ(sentences.size(), 1U);
        EXPECT_THAT(sentences[0], HasSubstr("ip address add ADDRESS/32 dev tunl0"));
        EXPECT_THAT(sentences[0], HasSubstr("sysctl -w net.ipv4.conf.tunl0.rp_filter=0"));
    }
    const auto sentences = silent_tunnels(tunnels, host({{kAll, 2}}));
    ASSERT_EQ(sentences.size(), 1U);
    EXPECT_THAT(
        sentences[0],
        HasSubstr("sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.tunl0.rp_filter=0"));
}

TEST(AgentSysctl, ATunnelDeviceWithAnAddressOrWithoutACheckDropsNothing) {
    EXPECT_THAT(silent_tunnels({{"tunl0", true}}, host({{kAll, 2}})), IsEmpty());
    EXPECT_THAT(silent_tunnels({{"tunl0", false}}, host({})), IsEmpty());
}

TEST(AgentSysctl, ATunnelDeviceThatHasGoneMeanwhileIsPassedOver) {
    const ReadSysctl read = [](const std::string& name) -> Result<int> {
        return name == kTunnel ? Result<int>(fail("gone")) : Result<int>(2);
    };
    const auto found = needed_changes("eth0", {{"tunl0", true}}, read);
    ASSERT_TRUE(found);
    EXPECT_EQ(find_change(*found, kTunnel), nullptr);
    EXPECT_THAT(silent_tunnels({{"tunl0", false}}, read), IsEmpty());
}

TEST(AgentSysctl, AnUnreadableSettingIsAnError) {
    const auto found = needed_changes(
        "eth0", {}, [](const std::string& name) -> Result<int> { return fail(name); });
    ASSERT_FALSE(found);
    EXPECT_THAT(found.error().message, HasSubstr("arp_ignore"));
}

class AgentSysctlTree : public testing::Test {
  protected:
    void SetUp() override {
        std::filesystem::create_directories(root_ / "net/ipv4");
        std::ofstream(root_ / "net/ipv4/number") << "1\n";
        std::ofstream(root_ / "net/ipv4/text") << "cubic\n";
    }
    void TearDown() override { std::filesystem::remove_all(root_); }

    std::filesystem::path root_ = testing::TempDir() + "agent_sysctl." + std::to_string(getpid());
    Sysctls sysctls_{root_};
};

TEST_F(AgentSysctlTree, AValueIsReadAndWritten) {
    EXPECT_EQ(sysctls_.read("net/ipv4/number").value(), 1);
    ASSERT_TRUE(sysctls_.write("net/ipv4/number", 2));
    EXPECT_EQ(sysctls_.read("net/ipv4/number").value(), 2);
    EXPECT_TRUE(sysctls_.exists("net/ipv4/number"));
}

TEST_F(AgentSysctlTree, WhatIsMissingOrNoNumberIsAnErrorThatNamesIt) {
    EXPECT_FALSE(sysctls_.exists("net/ipv4/nothing"));
    ASSERT_FALSE(sysctls_.read("net/ipv4/nothing"));
    EXPECT_THAT(sysctls_.read("net/ipv4/nothing").error().message, HasSubstr("net/ipv4/nothing"));
    EXPECT_FALSE(sysctls_.read("net/ipv4/text"));
    const Status written = sysctls_.write("net/ipv6/nothing", 1);
    ASSERT_FALSE(written);
    EXPECT_THAT(written.error().message, HasSubstr("No such file"));
}

}  // namespace
}  // namespace fairlead::agent
