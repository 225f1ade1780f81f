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

// The changes for eth0, as name to wanted value, on a host with these settings; what is not named
// is 0.
std::map<std::string, int> changes(const std::map<std::string, int>& settings) {
    const auto found = needed_changes("eth0", [&](const std::string& name) -> Result<int> {
        const auto setting = settings.find(name);
        return setting == settings.end() ? 0 : setting->second;
    });
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

TEST(AgentSysctl, AnUnreadableSettingIsAnError) {
    const auto found =
        needed_changes("eth0", [](const std::string& name) -> Result<int> { return fail(name); });
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
