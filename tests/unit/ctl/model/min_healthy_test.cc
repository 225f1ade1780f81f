#include "ctl/model/min_healthy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/model/guard.h"
#include "ctl/model/intent.h"
#include "tests/unit/ctl/model/example.h"

namespace fairlead::model {
namespace {

using ::testing::HasSubstr;

constexpr const char* kNames[] = {"app-1", "app-2", "app-3", "app-4", "app-5"};

IpAddress address_of(std::size_t number) {
    return ip(("10.0.4." + std::to_string(number + 1)).c_str());
}

conf::Config config_of(conf::MinHealthy least, conf::OnMinHealthy does) {
    conf::Config config;
    conf::ServiceConfig& portal = config.services.emplace_back();
    portal.name = "portal";
    portal.vip = ip("203.0.113.10");
    portal.port = 443;
    portal.min_healthy = least;
    portal.on_min_healthy = does;
    for (std::size_t i = 0; i < std::size(kNames); ++i) {
        portal.backends.push_back(backend_config(kNames[i], address_of(i).text().data(), 10));
    }
    return config;
}

// Five backends of weight 10 with links, all up.
Model five(conf::MinHealthy least = {.percent = 60},
           conf::OnMinHealthy does = conf::OnMinHealthy::kFailOpen) {
    Model model(config_of(least, does), {}, at(0));
    for (Service& service : model.services()) {
        for (Backend& backend : service.backends) {
            Model::observe_link(backend, publish::Link{}, "", false, at(0));
        }
    }
    for (std::size_t i = 0; i < std::size(kNames); ++i) {
        model.observe_health({"portal", kNames[i]}, address_of(i), Health::kUp, "", at(1));
    }
    return model;
}

void is_now(Model& model, std::size_t number, Health health, int second) {
    model.observe_health(
        {"portal", kNames[number]}, address_of(number), health, "refused", at(second));
}

const Service& portal(const Model& model) {
    return model.services().at(0);
}

std::size_t serving(const Model& model) {
    std::size_t count = 0;
    for (const Backend& backend : portal(model).backends) {
        count += backend.effective == Effective::kServing ? 1U : 0U;
    }
    return count;
}

TEST(MinHealthy, APercentageIsRoundedUpAndANumberIsItself) {
    EXPECT_EQ((conf::MinHealthy{.percent = 60}.least_of(5)), 3U);
    EXPECT_EQ((conf::MinHealthy{.percent = 60}.least_of(3)), 2U);
    EXPECT_EQ((conf::MinHealthy{.percent = 1}.least_of(3)), 1U);
    EXPECT_EQ((conf::MinHealthy{.percent = 100}.least_of(3)), 3U);
    EXPECT_EQ((conf::MinHealthy{.percent = 60}.least_of(0)), 0U);
    EXPECT_EQ((conf::MinHealthy{.count = 2}.least_of(5)), 2U);
    EXPECT_EQ(conf::MinHealthy{}.least_of(5), 0U);
}

TEST(MinHealthy, FailOpenGivesNewFlowsToAllThatAreReadyOnceTooFewAreHealthy) {
    Model model = five();
    is_now(model, 0, Health::kDown, 2);
    is_now(model, 1, Health::kDown, 3);
    EXPECT_EQ(serving(model), 3U) << "3 of 5 is 60%";
    EXPECT_FALSE(portal(model).fails_open());
    is_now(model, 2, Health::kDown, 4);
    EXPECT_TRUE(portal(model).fails_open());
    EXPECT_EQ(serving(model), 5U);
    const Backend& backend = backend_of(model, "portal", "app-1");
    EXPECT_EQ(backend.ring_weight(), 10U);
    EXPECT_FALSE(backend.is_taken_out()) << "its flows stay";
    EXPECT_EQ(backend.why, "fail-open: too few backends are healthy; its own checks fail: refused");
    EXPECT_EQ(backend_of(model, "portal", "app-3").transitions, 1U)
        << "the last one was never out in between";
}

TEST(MinHealthy, FailCloseOnlySaysIt) {
    Model model = five({.count = 3}, conf::OnMinHealthy::kFailClose);
    for (std::size_t i = 0; i < 3; ++i) {
        is_now(model, i, Health::kDown, 2);
    }
    EXPECT_TRUE(portal(model).is_below_min_healthy);
    EXPECT_FALSE(portal(model).fails_open());
    EXPECT_EQ(serving(model), 2U);
    EXPECT_EQ(backend_of(model, "portal", "app-1").why, "its checks fail: refused");
}

TEST(MinHealthy, WithoutOneNothingEverOpens) {
    Model model = five({});
    for (std::size_t i = 0; i < 5; ++i) {
        is_now(model, i, Health::kDown, 2);
    }
    EXPECT_FALSE(portal(model).is_below_min_healthy);
    EXPECT_EQ(serving(model), 0U);
}

TEST(MinHealthy, NeverOpensToWhatIsDrainedInMaintenanceWeightlessRemovedOrWithoutALink) {
    Model model = five({.percent = 100});
    ASSERT_TRUE(model.patch({"portal", "app-1"}, {Admin::kDrain, {}}, by_root(), at(2)));
    ASSERT_TRUE(model.patch({"portal", "app-2"}, {Admin::kMaint, {}}, by_root(), at(2)));
    ASSERT_TRUE(model.patch({"portal", "app-3"}, {{}, 0}, by_root(), at(2)));
    ASSERT_TRUE(model.remove({"portal", "app-4"}, by_root(), at(2)));
    EXPECT_EQ(health_count(portal(model)).total, 1U);
    for (const std::size_t i : {0U, 2U, 4U}) {
        is_now(model, i, Health::kDown, 3);
    }
    EXPECT_TRUE(portal(model).fails_open());
    EXPECT_EQ(serving(model), 1U);
    EXPECT_EQ(backend_of(model, "portal", "app-5").effective, Effective::kServing);
    EXPECT_EQ(backend_of(model, "portal", "app-1").effective, Effective::kDraining);
    EXPECT_EQ(backend_of(model, "portal", "app-2").effective, Effective::kOut);

    Model without_link(config_of({.percent = 100}, conf::OnMinHealthy::kFailOpen), {}, at(0));
    for (std::size_t i = 0; i < 5; ++i) {
        is_now(without_link, i, Health::kDown, 1);
    }
    EXPECT_TRUE(portal(without_link).fails_open());
    EXPECT_EQ(serving(without_link), 0U);
    Model::observe_link(without_link.services()[0].backends[0], publish::Link{}, "", false, at(2));
    EXPECT_EQ(serving(without_link), 1U) << "as soon as it has one";
    Model::observe_link(without_link.services()[0].backends[0], {}, "gone", true, at(3));
    EXPECT_EQ(serving(without_link), 0U);
}

TEST(MinHealthy, IsOverOnlyWhenEnoughHaveBeenHealthyForAWhile) {
    Model model = five();
    for (std::size_t i = 0; i < 3; ++i) {
        is_now(model, i, Health::kDown, 2);
    }
    is_now(model, 0, Health::kUp, 10);
    EXPECT_FALSE(model.observe_time(at(19)));
    EXPECT_TRUE(portal(model).fails_open());
    EXPECT_EQ(serving(model), 5U);
    is_now(model, 0, Health::kDown, 19);
    is_now(model, 0, Health::kUp, 20);
    EXPECT_FALSE(model.observe_time(at(29))) << "begun again";
    EXPECT_FALSE(model.observe_time(at(15))) << "a clock that is set back begins it again, too";
    EXPECT_TRUE(model.observe_time(at(25)));
    EXPECT_FALSE(portal(model).fails_open());
    EXPECT_EQ(serving(model), 3U) << "as the checks say";
    EXPECT_FALSE(model.observe_time(at(40)));
}

TEST(MinHealthy, WhatNobodyHasLookedAtYetIsNoOutage) {
    Model model(config_of({.percent = 60}, conf::OnMinHealthy::kFailOpen), {}, at(0));
    EXPECT_FALSE(portal(model).is_below_min_healthy) << "at the start, all are unknown";
    is_now(model, 0, Health::kDown, 1);
    is_now(model, 1, Health::kDown, 1);
    EXPECT_FALSE(portal(model).is_below_min_healthy);
    for (const std::size_t i : {2U, 3U, 4U}) {
        is_now(model, i, Health::kRising, 1);
    }
    EXPECT_FALSE(portal(model).is_below_min_healthy) << "3 of 5 may come yet";
    is_now(model, 2, Health::kDown, 1);
    EXPECT_TRUE(portal(model).is_below_min_healthy) << "the rest are too few, however they are";
}

TEST(MinHealthy, AReloadThatSetsItIsFollowedAtOnceAndChangesOfOtherThingsKeepIt) {
    Model model = five({});
    for (std::size_t i = 0; i < 5; ++i) {
        is_now(model, i, Health::kDown, 2);
    }
    EXPECT_EQ(serving(model), 0U);
    EXPECT_TRUE(model.load(config_of({.count = 1}, conf::OnMinHealthy::kFailOpen), at(3)).empty());
    EXPECT_EQ(serving(model), 5U);
    const std::uint64_t before = backend_of(model, "portal", "app-2").transitions;
    ASSERT_TRUE(model.patch({"portal", "app-1"}, {{}, 20}, by_root(), at(4)));
    EXPECT_EQ(serving(model), 5U);
    EXPECT_EQ(backend_of(model, "portal", "app-2").transitions, before) << "out in between";
    EXPECT_TRUE(model.load(config_of({}, conf::OnMinHealthy::kFailClose), at(5)).empty());
    EXPECT_EQ(serving(model), 0U);
}

conf::Config with_fallback(const char* address = "10.9.9.9") {
    conf::Config config = config_of({.percent = 60}, conf::OnMinHealthy::kFallback);
    config.services[0].fallback = conf::Fallback{ip(address), 443, 0};
    return config;
}

// As five(), with a fallback.
Model five_and_a_fallback() {
    Model model = five({.percent = 60}, conf::OnMinHealthy::kFailClose);
    EXPECT_TRUE(model.load(with_fallback(), at(1)).empty());
    Model::observe_link(model.services()[0].backends.back(), publish::Link{}, "", false, at(1));
    return model;
}

TEST(Fallback, TakesTheShareOfThoseThatAreNotHealthyAndKeepsItsFlowsAfterwards) {
    Model model = five_and_a_fallback();
    const auto fallback = [&model] {
        return backend_of(model, "portal", "fallback");
    };
    EXPECT_EQ(fallback().effective, Effective::kOut);
    EXPECT_TRUE(fallback().stands_by());
    EXPECT_EQ(fallback().health, Health::kUnchecked);
    EXPECT_FALSE(fallback().is_checked());
    EXPECT_EQ(health_count(portal(model)).total, 5U) << "it is none of them";
    for (std::size_t i = 0; i < 3; ++i) {
        is_now(model, i, Health::kDown, 2);
    }
    EXPECT_EQ(serving(model), 3U) << "two, and the fallback";
    EXPECT_EQ(fallback().ring_weight(), 30U);
    EXPECT_FALSE(fallback().stands_by());
    is_now(model, 3, Health::kDown, 3);
    EXPECT_EQ(fallback().ring_weight(), 40U);
    is_now(model, 4, Health::kDown, 3);
    EXPECT_EQ(serving(model), 1U);
    EXPECT_TRUE(portal(model).is_up());
    ASSERT_TRUE(model.patch({"portal", "app-1"}, {{}, 20}, by_root(), at(4)));
    EXPECT_EQ(fallback().ring_weight(), 60U);
    for (std::size_t i = 0; i < 5; ++i) {
        is_now(model, i, Health::kUp, 5);
    }
    EXPECT_TRUE(model.observe_time(at(15)));
    EXPECT_EQ(fallback().effective, Effective::kOut);
    EXPECT_EQ(fallback().ring_weight(), 0U);
    EXPECT_TRUE(fallback().keeps_flows());
    EXPECT_FALSE(fallback().is_taken_out());
}

TEST(Fallback, WithoutALinkTheHealthyOnesServeAlone) {
    Model model = five_and_a_fallback();
    Model::observe_link(model.services()[0].backends.back(), {}, "gone", true, at(2));
    for (std::size_t i = 0; i < 3; ++i) {
        is_now(model, i, Health::kDown, 3);
    }
    EXPECT_EQ(serving(model), 2U);
    EXPECT_EQ(backend_of(model, "portal", "fallback").why, "the fallback: gone");
}

TEST(Fallback, IsTheFilesAlone) {
    Model model = five_and_a_fallback();
    const auto patched = model.patch({"portal", "fallback"}, {Admin::kDrain, {}}, by_root(), at(2));
    ASSERT_FALSE(patched);
    EXPECT_THAT(patched.error().message, HasSubstr("change `fallback` in the file"));
    EXPECT_FALSE(model.remove({"portal", "fallback"}, by_root(), at(2)));
    EXPECT_FALSE(model.add({"portal", "other"}, {ip("10.9.9.9"), 1, by_root()}, at(2)));
    EXPECT_TRUE(model.load(with_fallback("10.9.9.8"), at(3)).empty());
    const std::vector<Backend>& backends = portal(model).backends;
    ASSERT_EQ(backends.size(), 7U);
    EXPECT_TRUE(backends[6].is_removing) << "the former one, until its flows are gone";
    EXPECT_EQ(backends[6].effective, Effective::kDraining);
    EXPECT_EQ(backend_of(model, "portal", "fallback").address, ip("10.9.9.8"));
}

TEST(Fallback, TakesThePlaceOfOneThatWasAddedAtRunTimeByItsNameOrAddress) {
    for (const auto& [name, address] : {std::pair("fallback", "10.0.4.9"), {"app-9", "10.9.9.9"}}) {
        Model model = five({.percent = 60}, conf::OnMinHealthy::kFailClose);
        ASSERT_TRUE(model.add({"portal", name}, {ip(address), 1, by_root()}, at(2)));
        EXPECT_EQ(model.load(with_fallback(), at(3)).size(), 1U) << name;
        EXPECT_TRUE(backend_of(model, "portal", "fallback").is_fallback);
    }
}

TEST(MinHealthy, TheGuardRefusesWhatWouldLeaveFewerAndNotWhatTakesNoHealthyOne) {
    Model model = five({.count = 4});
    Model drained = model;
    ASSERT_TRUE(drained.patch({"portal", "app-1"}, {Admin::kDrain, {}}, by_root(), at(2)));
    EXPECT_EQ(why_guarded(model.services(), drained.services()), "") << "4 are left";
    Model more = drained;
    ASSERT_TRUE(more.patch({"portal", "app-2"}, {Admin::kDrain, {}}, by_root(), at(3)));
    EXPECT_THAT(why_guarded(drained.services(), more.services()),
                HasSubstr("portal would have 3 of its 5 backends ready and healthy, and "
                          "min_healthy = 4 asks for 4"));
    is_now(drained, 2, Health::kDown, 4);
    Model dead_one = drained;
    ASSERT_TRUE(dead_one.remove({"portal", "app-3"}, by_root(), at(5)));
    EXPECT_EQ(why_guarded(drained.services(), dead_one.services()), "");
}

TEST(MinHealthy, OfAPercentageTheGuardCountsTheDrainedOnesToo) {
    Model model = five({.percent = 60});
    for (const char* name : {"app-1", "app-2"}) {
        Model next = model;
        ASSERT_TRUE(next.patch({"portal", name}, {Admin::kDrain, {}}, by_root(), at(2)));
        EXPECT_EQ(why_guarded(model.services(), next.services()), "") << name;
        model = next;
    }
    Model next = model;
    ASSERT_TRUE(next.patch({"portal", "app-3"}, {Admin::kDrain, {}}, by_root(), at(2)));
    EXPECT_THAT(why_guarded(model.services(), next.services()), HasSubstr("2 of its 5 backends"));
}

TEST(Hold, KeepsWhatServesAndWhatWentDownWithItAndThenItIsAsTheChecksSay) {
    Model model = five({});
    is_now(model, 0, Health::kDown, 1);  // long dead
    is_now(model, 1, Health::kDown, 2);  // with the others
    model.begin_hold([](const BackendKey& backend) { return backend.name == "app-2"; }, at(2));
    EXPECT_EQ(serving(model), 4U);
    is_now(model, 2, Health::kFalling, 3);
    is_now(model, 2, Health::kDown, 4);
    EXPECT_EQ(serving(model), 4U);
    const Backend& held = backend_of(model, "portal", "app-3");
    EXPECT_EQ(held.why, "held: most backends failed at once (refused)");
    EXPECT_EQ(held.transitions, 1U) << "it has not been out";
    EXPECT_FALSE(held.is_taken_out());
    ASSERT_TRUE(model.patch({"portal", "app-4"}, {{}, 20}, by_root(), at(5)));
    EXPECT_EQ(serving(model), 4U) << "over a change of something else";
    is_now(model, 0, Health::kUp, 6);
    is_now(model, 0, Health::kDown, 7);
    EXPECT_EQ(serving(model), 5U) << "also what comes up meanwhile";
    model.end_hold(at(12));
    EXPECT_EQ(serving(model), 2U);
    is_now(model, 3, Health::kDown, 13);
    EXPECT_EQ(serving(model), 1U);
}

TEST(Hold, DoesNotServeInMaintenanceNorWhatHasNotBeenLookedAtSince) {
    Model model = five({});
    model.begin_hold([](const BackendKey&) { return false; }, at(2));
    ASSERT_TRUE(model.patch({"portal", "app-1"}, {Admin::kMaint, {}}, by_root(), at(3)));
    EXPECT_EQ(backend_of(model, "portal", "app-1").effective, Effective::kOut);
    ASSERT_TRUE(model.patch({"portal", "app-1"}, {Admin::kReady, {}}, by_root(), at(4)));
    is_now(model, 0, Health::kDown, 5);
    EXPECT_EQ(backend_of(model, "portal", "app-1").effective, Effective::kOut);
}

TEST(Hold, CountsAsHealthySoThatFailOpenComesAfterIt) {
    Model model = five();
    model.begin_hold([](const BackendKey&) { return false; }, at(2));
    for (std::size_t i = 0; i < 5; ++i) {
        is_now(model, i, Health::kDown, 3);
    }
    EXPECT_FALSE(portal(model).is_below_min_healthy);
    model.end_hold(at(12));
    EXPECT_TRUE(portal(model).fails_open());
    EXPECT_EQ(serving(model), 5U);
    EXPECT_EQ(backend_of(model, "portal", "app-1").transitions, 1U) << "without a gap";
}

}  // namespace
}  // namespace fairlead::model
