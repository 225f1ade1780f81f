#include "ctl/model/guard.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ctl/model/example.h"

namespace fairlead::model {
namespace {

using ::testing::HasSubstr;

// A service of servers of these weights, at 10.0.4.1 and on, all of which serve.
std::vector<Service> serving(const std::vector<std::uint32_t>& weights) {
    std::vector<Service> services(1);
    services[0].config.name = "portal";
    unsigned number = 0;
    for (const std::uint32_t weight : weights) {
        Backend& backend = services[0].backends.emplace_back();
        ++number;
        backend.name = "app-" + std::to_string(number);
        backend.address = ip(("10.0.4." + std::to_string(number)).c_str());
        backend.weight = weight;
        backend.health = Health::kUp;
        judge(backend, at(1));
    }
    return services;
}

std::vector<Service> with(std::vector<Service> services,
                          std::size_t backend,
                          const std::function<void(Backend&)>& change) {
    change(services[0].backends[backend]);
    judge(services[0].backends[backend], at(2));
    return services;
}

void drain(Backend& backend) {
    backend.admin = Admin::kDrain;
}

TEST(Guard, TheLastServingBackendIsHeldInWhateverWayItWouldGo) {
    const std::vector<Service> one = serving({5});
    const std::vector<std::function<void(Backend&)>> ways{
        drain,
        [](Backend& backend) { backend.admin = Admin::kMaint; },
        [](Backend& backend) { backend.weight = 0; },
        [](Backend& backend) { backend.is_removing = true; },
        [](Backend& backend) {
            backend.address = ip("10.0.4.99");  // another server, which no check has seen yet
            backend.health = Health::kUnknown;
        }};
    for (const auto& way : ways) {
        EXPECT_THAT(why_guarded(one, with(one, 0, way)),
                    HasSubstr("1 of the 1 backends that serve (app-1), and no backend would be "
                              "left"));
    }
    EXPECT_THAT(why_guarded(one, {}), HasSubstr("portal would lose")) << "the whole service";
}

TEST(Guard, HalfOfTheWeightMayGoAndMoreMayNot) {
    const std::vector<Service> even = serving({10, 10});
    EXPECT_EQ(why_guarded(even, with(even, 0, drain)), "");
    const std::vector<Service> uneven = serving({10, 11, 1});
    EXPECT_EQ(why_guarded(uneven, with(uneven, 1, drain)), "") << "11 of 22";
    const std::vector<Service> heavy = serving({10, 12, 1});
    EXPECT_EQ(why_guarded(heavy, with(heavy, 1, drain)),
              "portal would lose 1 of the 3 backends that serve (app-2), with 12 of 23 of the "
              "weight: more than half");
}

TEST(Guard, WhatServesIsWhatCountsAtThatMoment) {
    std::vector<Service> services = serving({10, 10, 10});
    services = with(services, 0, [](Backend& backend) { backend.health = Health::kDown; });
    EXPECT_EQ(why_guarded(services, with(services, 0, drain)), "") << "it serves nobody";
    EXPECT_EQ(why_guarded(services, with(services, 1, drain)), "") << "half of what is left";
    std::vector<Service> none = serving({10});
    none = with(none, 0, [](Backend& backend) { backend.health = Health::kDown; });
    EXPECT_EQ(why_guarded(none, with(none, 0, drain)), "") << "there is nothing left to guard";
    EXPECT_EQ(why_guarded(none, {}), "");
}

TEST(Guard, AWeightThatIsLoweredTakesNoServerAway) {
    const std::vector<Service> services = serving({100, 10});
    EXPECT_EQ(why_guarded(services, serving({1, 10})), "");
    EXPECT_EQ(why_guarded(services, serving({1, 1})), "");
    EXPECT_NE(why_guarded(services, serving({0, 10})), "");
}

TEST(Guard, WhatComesAndServesAtOnceMakesUpForWhatGoes) {
    const std::vector<Service> before = serving({10});
    EXPECT_EQ(why_guarded(before,
                          with(before,
                               0,
                               [](Backend& backend) {
                                   backend.name = "app-9";
                                   backend.health = Health::kUnchecked;
                               })),
              "");
}

TEST(Guard, AServiceOfAnotherNameIsTheSameForItsClients) {
    std::vector<Service> before = serving({10});
    before[0].config.vip = ip("203.0.113.10");
    before[0].config.port = 443;
    std::vector<Service> after = before;
    after[0].config.name = "door";
    EXPECT_EQ(why_guarded(before, after), "");
    EXPECT_THAT(why_guarded(before, with(after, 0, drain)), HasSubstr("portal would lose 1 of"));
}

TEST(Guard, EveryServiceThatWouldLoseIsNamedUpToAHandful) {
    std::vector<Service> before;
    for (int i = 0; i < 8; ++i) {
        before.push_back(serving({1})[0]);
        before.back().config.name = "s" + std::to_string(i);
    }
    const std::string why = why_guarded(before, {});
    EXPECT_THAT(why, HasSubstr("s0 would lose"));
    EXPECT_THAT(why, HasSubstr("s4 would lose"));
    EXPECT_THAT(why, HasSubstr("; and likewise 3 more services"));
}

}  // namespace
}  // namespace fairlead::model
