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

TEST(Reconcile, WhatHasLostItsBackendGoes) {
    BackendOverrides drained;
    drained.admin = AdminOverride{Admin::kDrain, by_root()};
    Overrides overrides = with({"portal", "app-9"}, drained);
    BackendOverrides added;
    added.addition = Addition{ip("10.0.4.3"), 1, by_root()};
    added.weight = WeightOverride{4, {}, by_root()};
    overrides[{"nobody", "x"}] = added;
    EXPECT_EQ(reconcile(example_config(), overrides).size(), 3U);
    EXPECT_TRUE(overrides.empty());
}

}  // namespace
}  // namespace fairlead::model
