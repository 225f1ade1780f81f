// What was known of a server holds while it is removed, and when it comes back.
#include <gtest/gtest.h>

#include "ctl/model/intent.h"
#include "ctl/model/model.h"
#include "tests/unit/ctl/model/example.h"

namespace fairlead::model {
namespace {

// Of portal.
bool flows_stay_on(const Model& model, std::size_t backend) {
    return desired_services(model.services()).at(0).backends.at(backend).keeps_flows;
}

TEST(Removal, WhatWasInMaintenanceIsSoWhenItComesBackAfterARemoval) {
    const BackendKey key{"portal", "app-2"};
    Model model = healthy_model();
    ASSERT_TRUE(model.patch(key, {Admin::kMaint, {}}, by_root("its disk is dead"), at(2)));
    ASSERT_TRUE(model.remove(key, by_root(), at(3)));
    const Backend& leaving = backend_of(model, "portal", "app-2");
    EXPECT_TRUE(leaving.is_removing);
    EXPECT_FALSE(leaving.keeps_flows()) << "its flows have moved, and do not go back";
    EXPECT_EQ(leaving.effective, Effective::kOut);
    ASSERT_TRUE(model.add(key, {ip("10.0.4.2"), 20, by_root()}, at(4)));
    EXPECT_EQ(backend_of(model, "portal", "app-2").admin, Admin::kMaint);
    EXPECT_EQ(model.overrides().at(key).admin->made.reason, "its disk is dead");
    EXPECT_FALSE(model.overrides().at(key).removal);

    // With another weight it is added beside its removal, but is the same server.
    ASSERT_TRUE(model.remove(key, by_root(), at(5)));
    ASSERT_TRUE(model.add(key, {ip("10.0.4.2"), 21, by_root()}, at(6)));
    EXPECT_EQ(backend_of(model, "portal", "app-2").admin, Admin::kMaint);
    ASSERT_TRUE(model.remove(key, by_root(), at(7)));
    ASSERT_TRUE(model.add(key, {ip("10.0.4.2"), 20, by_root()}, at(8)));
    EXPECT_EQ(backend_of(model, "portal", "app-2").admin, Admin::kMaint);

    // Another server of that name is another server.
    ASSERT_TRUE(model.remove(key, by_root(), at(9)));
    ASSERT_TRUE(model.add(key, {ip("10.0.4.9"), 20, by_root()}, at(10)));
    EXPECT_EQ(backend_of(model, "portal", "app-2").admin, Admin::kReady);
}

TEST(Removal, WhatWasMadeReadyBeforeItsRemovalComesBackReady) {
    const BackendKey key{"portal", "app-2"};
    Model model = healthy_model();
    ASSERT_TRUE(model.patch(key, {Admin::kMaint, {}}, by_root(), at(2)));
    ASSERT_TRUE(model.remove(key, by_root(), at(3)));
    ASSERT_TRUE(model.add(key, {ip("10.0.4.2"), 20, by_root()}, at(4)));
    ASSERT_TRUE(model.patch(key, {Admin::kReady, {}}, by_root(), at(5)));
    ASSERT_TRUE(model.remove(key, by_root(), at(6)));
    ASSERT_TRUE(model.add(key, {ip("10.0.4.2"), 20, by_root()}, at(7)));
    EXPECT_EQ(backend_of(model, "portal", "app-2").admin, Admin::kReady);
    EXPECT_TRUE(model.overrides().empty());
}

TEST(Removal, ADeadServerThatIsRemovedGetsNoFlowBack) {
    conf::Config config = example_config();
    config.services[0].on_down = conf::OnDown::kMove;
    Model model(config, {}, at(0));
    model.observe_health({"portal", "app-1"}, ip("10.0.4.1"), Health::kUp, "", at(1));
    model.observe_health({"portal", "app-2"}, ip("10.0.4.2"), Health::kDown, "", at(1));
    EXPECT_FALSE(flows_stay_on(model, 1));
    ASSERT_TRUE(model.remove({"portal", "app-2"}, by_root(), at(2)));
    EXPECT_FALSE(flows_stay_on(model, 1));
}

TEST(Removal, AServerThatLeavesWithoutItsFlowsDoesSoOverARestart) {
    Model model = example_model();
    model.take_over({{},
                     {{.service = "portal",
                       .name = "app-0",
                       .address = ip("10.0.4.3"),
                       .health = 0,
                       .health_since_ns = 0,
                       .keeps_flows = false}}},
                    at(0));
    EXPECT_TRUE(backend_of(model, "portal", "app-0").is_removing);
    EXPECT_FALSE(backend_of(model, "portal", "app-0").keeps_flows());
}

}  // namespace
}  // namespace fairlead::model
