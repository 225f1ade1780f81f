#include "ctl/model/config_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ctl/model/example.h"

namespace fairlead::model {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ConfigDiff, TheSameFileChangesNothing) {
    const ConfigDiff diff = compare(example_config(), example_config());
    EXPECT_THAT(diff.changes, IsEmpty());
    EXPECT_THAT(diff.needs_restart, IsEmpty());
}

TEST(ConfigDiff, NamesEveryChange) {
    conf::Config after = example_config();
    after.services[0].backends[0].weight = 3;
    after.services[0].backends[1].name = "app-9";
    after.services[0].health.rise = 9;
    after.services[1].name = "billing";
    EXPECT_THAT(compare(example_config(), after).changes,
                ElementsAre("renamed service payments to billing, which has its VIP, port and "
                            "protocol: it keeps its connections",
                            "changed health check of service portal",
                            "changed weight of backend portal/app-1 from 10 to 3",
                            "added backend portal/app-9 (10.0.4.2, weight 20)",
                            "removed backend portal/app-2"));
    after.services[1].port = 444;
    EXPECT_THAT(compare(example_config(), after).changes,
                testing::IsSupersetOf({"added service billing", "removed service payments"}));
}

TEST(ConfigDiff, NamesChangedPortsAndHashes) {
    conf::Config after = example_config();
    after.services[0].last_port = 444;
    after.services[0].hash = conf::Hash::kSource;
    after.services[1].port = 0;
    after.services[0].on_down = conf::OnDown::kMove;
    EXPECT_THAT(compare(example_config(), after).changes,
                ElementsAre("changed vip of service portal",
                            "changed hash of service portal from 5tuple to source/32",
                            "changed on_down of service portal",
                            "changed vip of service payments"));
    conf::Config again = after;
    again.services[0].source_prefix = 32;
    again.services[1].on_down = conf::OnDown::kKeep;
    EXPECT_THAT(compare(after, again).changes, IsEmpty()) << "the default, said aloud";
    again.services[0].source_prefix = 24;
    EXPECT_THAT(compare(after, again).changes,
                ElementsAre("changed hash of service portal from source/32 to source/24"));
}

TEST(ConfigDiff, NamesWhatIsDoneWhenMuchFailsAtOnce) {
    conf::Config after = example_config();
    after.services[0].min_healthy = {.percent = 60};
    after.services[1].fallback = conf::Fallback{ip("10.9.9.9"), 443, 0};
    after.node.mass_failure_hold = std::chrono::seconds(0);
    EXPECT_THAT(compare(example_config(), after).changes,
                ElementsAre("changed min_healthy of service portal",
                            "changed min_healthy of service payments",
                            "changed mass_failure_hold of the node"));
}

TEST(ConfigDiff, CountsSourcePrefixes) {
    const auto list = [](std::initializer_list<const char*> addresses) {
        std::vector<IpPrefix> prefixes;
        for (const char* each : addresses) {
            prefixes.push_back(prefix_around(*IpAddress::parse(each), 32));
        }
        return std::make_shared<const std::vector<IpPrefix>>(prefixes);
    };
    conf::Config before = example_config();
    before.services[0].deny = list({"192.0.2.1", "192.0.2.2", "192.0.2.3"});
    conf::Config after = example_config();
    after.services[0].deny = list({"192.0.2.1", "192.0.2.2", "192.0.2.3"});
    EXPECT_THAT(compare(before, after).changes, IsEmpty());
    after.services[0].deny = list({"192.0.2.2", "192.0.2.4"});
    after.services[0].allow = list({"192.0.2.9"});
    after.services[1].limits.packets = 7;
    EXPECT_THAT(compare(before, after).changes,
                ElementsAre("changed allow of service portal (1 source prefixes added, 0 removed)",
                            "changed deny of service portal (1 source prefixes added, 2 removed)",
                            "changed limits of service payments"));
}

TEST(ConfigDiff, WhatIsReadOnceNeedsARestartAndIsNotApplied) {
    conf::Config after = example_config();
    after.engine.cpus = {1};
    after.ports.emplace_back().name = "edge";
    after.api.listen = "127.0.0.1:1";
    const ConfigDiff diff = compare(example_config(), after);
    ASSERT_EQ(diff.needs_restart.size(), 3U);
    EXPECT_TRUE(diff.needs_restart[0].of_engine_alone);
    EXPECT_FALSE(diff.needs_restart[1].of_engine_alone);
    const conf::Config running = without_restart_keys(after, example_config());
    EXPECT_THAT(running.ports, IsEmpty());
    EXPECT_EQ(running.api.listen, "");
}

}  // namespace
}  // namespace fairlead::model
