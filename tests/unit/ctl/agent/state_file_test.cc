#include "ctl/agent/state_file.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class AgentStateFile : public testing::Test {
  protected:
    void SetUp() override { std::filesystem::create_directories(folder_); }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    void write(const std::string& text) const { std::ofstream(path_) << text; }

    std::filesystem::path folder_ = testing::TempDir() + "agent_state." + std::to_string(getpid());
    std::filesystem::path path_ = folder_ / "lbagent.state";
    StateFile file_{path_};
};

State example() {
    State state;
    state.host = {"182babc0-c076-4290-8cd2-059c82cf23a8", 4026532246};
    state.sysctls = {{"net/ipv4/conf/eth0.7/arp_ignore", 0, 1}};
    state.vips = {IpAddress::parse("203.0.113.10").value(),
                  IpAddress::parse("2001:db8::10").value()};
    state.has_mounted_pins = true;
    return state;
}

TEST_F(AgentStateFile, WhatIsSavedIsLoaded) {
    ASSERT_TRUE(file_.save(example()));
    const auto loaded = file_.load();
    ASSERT_TRUE(loaded);
    ASSERT_TRUE(loaded->has_value());
    const State& state = loaded->value();
    EXPECT_EQ(state.host, example().host);
    EXPECT_EQ(state.vips, example().vips);
    EXPECT_TRUE(state.has_mounted_pins);
    ASSERT_EQ(state.sysctls.size(), 1U);
    EXPECT_EQ(state.sysctls[0].name, "net/ipv4/conf/eth0.7/arp_ignore");
    EXPECT_EQ(state.sysctls[0].original, 0);
    EXPECT_EQ(state.sysctls[0].wanted, 1);
}

TEST_F(AgentStateFile, AFileOfAVersionThatPinnedNothingIsLoaded) {
    write(R"({"version":1,"boot_id":"x","network_namespace":1,"sysctls":[],"vips":["10.0.0.1"]})");
    const auto loaded = file_.load();
    ASSERT_TRUE(loaded);
    EXPECT_FALSE(loaded->value().has_mounted_pins);
    EXPECT_TRUE(loaded->value().has_added(IpAddress::parse("10.0.0.1").value()));
    EXPECT_FALSE(loaded->value().has_added(IpAddress::parse("10.0.0.2").value()));
}

TEST_F(AgentStateFile, NoFileIsNoStateAndCanBeRemoved) {
    const auto loaded = file_.load();
    ASSERT_TRUE(loaded);
    EXPECT_FALSE(loaded->has_value());
    EXPECT_TRUE(file_.remove());
}

TEST_F(AgentStateFile, SavingReplacesAndLeavesNothingElse) {
    ASSERT_TRUE(file_.save(example()));
    ASSERT_TRUE(file_.save(State{}));
    EXPECT_TRUE(file_.load()->value().empty());
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
        names.push_back(entry.path().filename());
    }
    EXPECT_THAT(names, ElementsAre("lbagent.state"));
    ASSERT_TRUE(file_.remove());
    EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(AgentStateFile, ADamagedFileIsAnErrorThatNamesIt) {
    ASSERT_TRUE(file_.save(example()));
    std::string whole;
    std::getline(std::ifstream(path_), whole, '\0');
    const std::string no_vips = R"({"version":1,"boot_id":"x","network_namespace":1,"sysctls":[]})";
    const std::string wrong_vip =
        R"({"version":1,"boot_id":"x","network_namespace":1,"sysctls":[],"vips":["nonsense"]})";
    const std::string newer =
        R"({"version":2,"boot_id":"x","network_namespace":1,"sysctls":[],"vips":[]})";
    const std::string wrong_mount =
        R"({"version":1,"boot_id":"x","network_namespace":1,"sysctls":[],"vips":[],"mounted_pins":7})";
    for (const std::string& text : {std::string(),
                                    wrong_mount,
                                    whole.substr(0, whole.size() / 2),
                                    std::string("[]"),
                                    no_vips,
                                    wrong_vip,
                                    newer}) {
        write(text);
        const auto loaded = file_.load();
        ASSERT_FALSE(loaded) << text;
        EXPECT_THAT(loaded.error().message, HasSubstr(path_.string()));
    }
}

TEST_F(AgentStateFile, SavingWhereThereIsNoFolderIsAnError) {
    EXPECT_FALSE(StateFile(folder_ / "missing" / "lbagent.state").save(example()));
}

TEST(AgentHost, ThisHostIsTheSameTwice) {
    const auto first = current_host();
    const auto second = current_host();
    ASSERT_TRUE(first);
    ASSERT_TRUE(second);
    EXPECT_EQ(*first, *second);
    EXPECT_NE(first->network_namespace, 0U);
}

}  // namespace
}  // namespace fairlead::agent
