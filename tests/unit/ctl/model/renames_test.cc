#include "ctl/model/renames.h"

#include <netinet/in.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ctl/model/example.h"

namespace fairlead::model {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

conf::Config renamed_config() {
    conf::Config config = example_config();
    config.services[0].name = "website";
    return config;
}

Renames renames(const conf::Config& after) {
    return renames_between(example_config().services, after.services);
}

TEST(Renames, AServiceIsTheSameByVipPortsAndProtocol) {
    EXPECT_THAT(renames(example_config()), IsEmpty());
    EXPECT_THAT(renames(renamed_config()), ElementsAre(Pair("portal", "website")));
    conf::Config config = renamed_config();
    config.services[0].port = 444;
    EXPECT_THAT(renames(config), IsEmpty());
    config = renamed_config();
    config.services[0].last_port = 450;
    EXPECT_THAT(renames(config), IsEmpty());
    config = renamed_config();
    config.services[0].protocol = conf::Protocol::kUdp;
    EXPECT_THAT(renames(config), IsEmpty());
}

TEST(Renames, NamesThatAreThereBeforeAndAfterStayWhereTheyAre) {
    conf::Config exchanged = example_config();
    std::swap(exchanged.services[0].name, exchanged.services[1].name);
    EXPECT_THAT(renames(exchanged), IsEmpty());
    // payments gets portal's VIP, and portal a new name and VIP: neither is the other.
    conf::Config moved = example_config();
    moved.services[0].name = "website";
    moved.services[0].vip = ip("203.0.113.99");
    moved.services[1].vip = ip("203.0.113.10");
    EXPECT_THAT(renames(moved), IsEmpty());
}

TEST(Renames, AfterAReloadHealthDrainsAndCountsAreThere) {
    Model model = healthy_model();
    ASSERT_TRUE(model.patch({"portal", "app-2"}, {Admin::kDrain, 7}, by_root(), at(2)));
    EXPECT_THAT(model.load(renamed_config(), at(3)), IsEmpty());
    ASSERT_EQ(model.services().size(), 2U);
    EXPECT_EQ(backend_of(model, "website", "app-1").effective, Effective::kServing);
    const Backend& drained = backend_of(model, "website", "app-2");
    EXPECT_EQ(drained.admin, Admin::kDrain);
    EXPECT_EQ(drained.weight, 7U);
    EXPECT_EQ(drained.drain_start, at(2));
    EXPECT_EQ(model.overrides().count({"website", "app-2"}), 1U);
    EXPECT_EQ(model.overrides().count({"portal", "app-2"}), 0U);
}

TEST(Renames, TheFileMayHaveChangedWhileNoDaemonRan) {
    publish::Known known;
    known.services.push_back(
        {.name = "portal", .vip = ip("203.0.113.10"), .port = 443, .protocol = IPPROTO_TCP});
    known.backends.push_back({.service = "portal",
                              .name = "app-1",
                              .address = ip("10.0.4.1"),
                              .health = static_cast<std::uint32_t>(Health::kUp)});
    Overrides overrides;
    overrides[{"portal", "app-2"}].admin = AdminOverride{Admin::kDrain, by_root()};
    const conf::Config config = renamed_config();
    const Renames found = renames_between(known.services, config.services);
    EXPECT_THAT(found, ElementsAre(Pair("portal", "website")));
    rename(found, overrides);
    rename(found, known);
    Model model(config, {.overrides = overrides, .node = {}}, at(0));
    EXPECT_THAT(model.events(), IsEmpty());
    model.take_over(known, at(0));
    EXPECT_EQ(model.services().size(), 2U);
    EXPECT_EQ(backend_of(model, "website", "app-1").health, Health::kUp);
    EXPECT_EQ(backend_of(model, "website", "app-2").admin, Admin::kDrain);
}

}  // namespace
}  // namespace fairlead::model
