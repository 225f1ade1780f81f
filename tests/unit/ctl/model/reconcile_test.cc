#include "ctl/model/reconcile.h"

#include <gtest/gtest.h>

#include "tests/unit/ctl/model/example.h"

namespace fairlead::model {
namespace {

const BackendKey kApp1{"portal", "app-1"};

Overrides with(const BackendKey& key, BackendOverrides entry) {
    Overrides overrides;
    overrides[key] = std::move(entry);
    return overrides;
}

TEST(Reconcile, OverridesHoldWhileTheFileSaysTheSame) {
    BackendOverrides entry;
    entry.admin = AdminOverride{Admin::kDrain, by_root()};
    entry.weight = WeightOverride{3, 10, by_root()};
    Overrides overrides = with(kApp1, entry);
    EXPECT_TRUE(reconcile(example_config(), overrides).empty());
    EXPECT_EQ(overrides.at(kApp1), entry);
}

TEST(Reconcile, AWeightChangedInTheFileWins) {
    BackendOverrides entry;
    entry.admin = AdminOverride{Admin::kDrain, by_root()};
    entry.weight = WeightOverride{3, 10, by_root()};
    Overrides overrides = with(kApp1, entry);
    conf::Config config = example_config();
    config.services[0].backends[0].weight = 11;
    EXPECT_EQ(reconcile(config, overrides).size(), 1U);
    EXPECT_FALSE(overrides.at(kApp1).weight);
    EXPECT_TRUE(overrides.at(kApp1).admin) << "another field";
}

TEST(Reconcile, ARemovalHoldsUntilTheFileChangesTheBackend) {
    BackendOverrides entry;
    entry.removal = Removal{ip("10.0.4.1"), 10, {}, by_root()};
    Overrides overrides = with(kApp1, entry);
    EXPECT_TRUE(reconcile(example_config(), overrides).empty());
    EXPECT_EQ(overrides.size(), 1U);
    conf::Config config = example_config();
    config.services[0].backends[0].address = ip("10.0.4.9");
    EXPECT_EQ(reconcile(config, overrides).size(), 1U);
    EXPECT_TRUE(overrides.empty());
}

TEST(Reconcile, WhatTheFileBringsBackIsInMaintenanceIfItWasBefore) {
    BackendOverrides entry;
    entry.removal = Removal{ip("10.0.4.1"), 10, {}, by_root()};
    entry.removal->admin = AdminOverride{Admin::kMaint, by_root("its disk is dead")};
    Overrides overrides = with(kApp1, entry);
    EXPECT_TRUE(reconcile(example_config(), overrides).empty());
    EXPECT_EQ(overrides.at(kApp1), entry);
    conf::Config config = example_config();
    config.services[0].backends[0].weight = 11;
    EXPECT_EQ(reconcile(config, overrides).size(), 1U);
    EXPECT_FALSE(overrides.at(kApp1).removal);
    EXPECT_EQ(overrides.at(kApp1).admin, entry.removal->admin);
}

TEST(Reconcile, AnAdditionYieldsToTheFile) {
    BackendOverrides entry;
    entry.addition = Addition{ip("10.0.4.3"), 1, by_root()};
    Overrides overrides = with({"portal", "app-3"}, entry);
    EXPECT_TRUE(reconcile(example_config(), overrides).empty());
    conf::Config config = example_config();
    config.services[0].backends.push_back(backend_config("app-3", "10.0.4.8", 1));
    EXPECT_EQ(reconcile(config, overrides).size(), 1U);
    EXPECT_TRUE(overrides.empty());
}

TEST(Reconcile, AnAdditionYieldsToTheFilesBackendOfItsAddress) {
    Overrides overrides;
    overrides[{"portal", "app-3"}].addition = Addition{ip("10.0.4.1"), 1, by_root()};
    overrides[kApp1].removal = Removal{ip("10.0.4.1"), 10, {}, by_root()};
    EXPECT_TRUE(reconcile(example_config(), overrides).empty()) << "the file's is not wanted";
    EXPECT_EQ(overrides.size(), 2U);
    conf::Config config = example_config();
    config.services[0].backends[0].weight = 11;  // wanted again, at the same address
    const std::vector<std::string> events = reconcile(config, overrides);
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(
        events[1],
        "portal/app-3: the file has its address as backend app-1 now: that one takes its place");
    EXPECT_TRUE(overrides.empty());
}

TEST(Reconcile, AnAdditionThatTheServiceCannotHaveAnyMoreGoes) {
    conf::Config config = example_config();
    conf::ServiceConfig& portal = config.services[0];
    portal.forwarding = conf::Forwarding::kIpip;
    BackendOverrides entry;
    entry.addition = Addition{ip("fd00::3"), 1, by_root()};
    Overrides overrides = with({"portal", "app-3"}, entry);
    EXPECT_TRUE(reconcile(config, overrides).empty());
    portal.forwarding = conf::Forwarding::kL2;
    const std::vector<std::string> events = reconcile(config, overrides);
    ASSERT_EQ(events.size(), 1U);
    EXPECT_NE(events[0].find("fd00::3 is not of the VIP's family"), std::string::npos) << events[0];
    EXPECT_TRUE(overrides.empty());
}

TEST(Reconcile, AnAdditionWhoseAddressHasBecomeTheVipGoes) {
    BackendOverrides entry;
    entry.addition = Addition{ip("10.0.4.3"), 1, by_root()};
    Overrides overrides = with({"portal", "app-3"}, entry);
    conf::Config config = example_config();
    config.services[0].vip = ip("10.0.4.3");
    EXPECT_EQ(reconcile(config, overrides).size(), 1U);
    EXPECT_TRUE(overrides.empty());
}

TEST(Reconcile, AnAdditionWhoseAddressIsAnotherServicesVipNowGoes) {
    BackendOverrides entry;
    entry.addition = Addition{ip("10.0.4.3"), 1, by_root()};
    Overrides overrides = with({"portal", "app-3"}, entry);
    conf::Config config = example_config();
    config.services.push_back(config.services[0]);
    config.services.back().name = "shop";
    config.services.back().vip = ip("10.0.4.3");
    const std::vector<std::string> events = reconcile(config, overrides);
    ASSERT_EQ(events.size(), 1U);
    EXPECT_NE(events[0].find("10.0.4.3 is the VIP of service shop"), std::string::npos)
        << events[0];
    EXPECT_TRUE(overrides.empty());
}

TEST(Reconcile, WhatHasLostItsBackendGoes) {
    BackendOverrides drained;
    drained.admin = AdminOverride{Admin::kDrain, by_root()};
    Overrides overrides = with({"portal", "app-9"}, drained);
    EXPECT_EQ(reconcile(example_config(), overrides).size(), 1U);
    EXPECT_TRUE(overrides.empty());
}

// A service may be missing by mistake, in a file that is mended by the next reload.
TEST(Reconcile, WhatHasLostItsServiceIsKeptForOneMoreReading) {
    BackendOverrides removed;
    removed.removal = Removal{ip("10.0.4.1"), 10, {}, by_root()};
    BackendOverrides added;
    added.addition = Addition{ip("10.0.4.3"), 1, by_root()};
    added.weight = WeightOverride{4, {}, by_root()};
    const Overrides before = {{{"portal", "app-1"}, removed}, {{"portal", "x"}, added}};
    conf::Config without = example_config();
    without.services.clear();

    Overrides overrides = before;
    std::vector<std::string> events = reconcile(without, overrides);
    ASSERT_EQ(events.size(), 2U);
    EXPECT_NE(events[0].find("kept until the file is read once more"), std::string::npos);
    ASSERT_EQ(overrides.size(), 2U);
    EXPECT_TRUE(overrides.begin()->second.is_orphaned);
    EXPECT_TRUE(reconcile(example_config(), overrides).empty());
    EXPECT_EQ(overrides, before) << "the service is back, and all is as it was";

    static_cast<void>(reconcile(without, overrides));
    events = reconcile(without, overrides);
    EXPECT_EQ(events.size(), 2U);
    EXPECT_TRUE(overrides.empty()) << "twice is no mistake";
}

}  // namespace
}  // namespace fairlead::model
