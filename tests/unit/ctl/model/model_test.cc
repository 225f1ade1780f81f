#include "ctl/model/model.h"

#include <array>

#include <netinet/in.h>

#include <gtest/gtest.h>

#include "ctl/model/intent.h"
#include "tests/unit/ctl/model/example.h"

namespace fairlead::model {
namespace {

const publish::DesiredBackend& desired(const std::vector<publish::DesiredService>& services,
                                       std::size_t service,
                                       std::size_t backend) {
    return services.at(service).backends.at(backend);
}

TEST(Model, NewBackendsGetNothingBeforeTheirChecksPass) {
    const Model model = example_model();
    EXPECT_EQ(backend_of(model, "portal", "app-1").health, Health::kUnknown);
    EXPECT_EQ(backend_of(model, "portal", "app-1").effective, Effective::kOut);
    EXPECT_EQ(desired(desired_services(model.services()), 0, 0).ring_weight, 0U);
    EXPECT_FALSE(model.services()[0].is_up());
}

TEST(Model, UncheckedBackendsServeAtOnce) {
    const Model model = example_model();
    EXPECT_EQ(backend_of(model, "payments", "pay-1").health, Health::kUnchecked);
    EXPECT_TRUE(model.services()[1].is_up());
    EXPECT_EQ(desired(desired_services(model.services()), 1, 0).ring_weight, 1U);
}

struct RingCase {
    const char* description;
    Admin admin;
    Health health;
    std::uint32_t weight;
    bool is_removing;
    std::uint32_t ring_weight;
    bool keeps_flows;
    Effective effective;
};

TEST(Model, TheRingHoldsWhatIsReadyAndHealthyAndHasWeight) {
    const auto cases = std::to_array<RingCase>({
        {"up", Admin::kReady, Health::kUp, 3, false, 3, true, Effective::kServing},
        {"unchecked", Admin::kReady, Health::kUnchecked, 3, false, 3, true, Effective::kServing},
        {"falling", Admin::kReady, Health::kFalling, 3, false, 3, true, Effective::kServing},
        {"rising", Admin::kReady, Health::kRising, 3, false, 0, true, Effective::kOut},
        {"unknown", Admin::kReady, Health::kUnknown, 3, false, 0, true, Effective::kOut},
        {"down", Admin::kReady, Health::kDown, 3, false, 0, true, Effective::kOut},
        {"weight 0", Admin::kReady, Health::kUp, 0, false, 0, true, Effective::kDraining},
        {"drain", Admin::kDrain, Health::kUp, 3, false, 0, true, Effective::kDraining},
        {"drain, down", Admin::kDrain, Health::kDown, 3, false, 0, true, Effective::kDraining},
        {"maint", Admin::kMaint, Health::kUp, 3, false, 0, false, Effective::kOut},
        {"removing", Admin::kReady, Health::kUp, 3, true, 0, true, Effective::kDraining},
    });
    for (const RingCase& test : cases) {
        SCOPED_TRACE(test.description);
        Service service;
        Backend& backend = service.backends.emplace_back();
        backend.admin = test.admin;
        backend.health = test.health;
        backend.weight = test.weight;
        backend.is_removing = test.is_removing;
        judge(backend, at(1));
        EXPECT_EQ(backend.effective, test.effective);
        const auto out = desired_services({service});
        EXPECT_EQ(desired(out, 0, 0).ring_weight, test.ring_weight);
        EXPECT_EQ(desired(out, 0, 0).admits_new, test.ring_weight > 0);
        EXPECT_EQ(desired(out, 0, 0).keeps_flows, test.keeps_flows);
    }
}

TEST(Model, FlowsLeaveWhatChecksTookOutIfTheServiceSaysSoAndAnotherServes) {
    const auto first_of = [](conf::Protocol protocol,
                             std::optional<conf::OnDown> on_down,
                             Admin admin,
                             Health health,
                             Health other = Health::kUp) {
        Service service;
        service.config.protocol = protocol;
        service.config.on_down = on_down;
        service.backends.resize(2);
        service.backends[0].admin = admin;
        service.backends[0].health = health;
        service.backends[1].health = other;
        for (Backend& backend : service.backends) {
            judge(backend, at(1));
        }
        return desired(desired_services({service}), 0, 0);
    };
    using conf::OnDown;
    using conf::Protocol;
    const auto moves = [&first_of](auto... with) {
        const publish::DesiredBackend backend = first_of(with...);
        EXPECT_TRUE(backend.is_taken_out);
        return !backend.keeps_flows;
    };
    EXPECT_TRUE(moves(Protocol::kUdp, std::nullopt, Admin::kReady, Health::kDown));
    EXPECT_TRUE(moves(Protocol::kUdp, std::nullopt, Admin::kDrain, Health::kDown));
    EXPECT_FALSE(moves(Protocol::kUdp, OnDown::kKeep, Admin::kReady, Health::kDown));
    EXPECT_FALSE(moves(Protocol::kTcp, std::nullopt, Admin::kReady, Health::kDown));
    EXPECT_TRUE(moves(Protocol::kTcp, OnDown::kMove, Admin::kReady, Health::kDown));

    const auto stays = [&first_of](auto... with) {
        const publish::DesiredBackend backend = first_of(with...);
        return backend.keeps_flows && !backend.is_taken_out;
    };
    EXPECT_TRUE(stays(Protocol::kUdp, std::nullopt, Admin::kDrain, Health::kUp)) << "a drain";
    EXPECT_TRUE(stays(Protocol::kUdp, std::nullopt, Admin::kReady, Health::kFalling));
    EXPECT_TRUE(stays(Protocol::kUdp, std::nullopt, Admin::kReady, Health::kRising));
    EXPECT_TRUE(stays(Protocol::kUdp, std::nullopt, Admin::kReady, Health::kUnknown));
    EXPECT_TRUE(stays(Protocol::kUdp, std::nullopt, Admin::kReady, Health::kDown, Health::kDown))
        << "nobody serves: there is nowhere to go";
}

TEST(Model, FlowsLeaveAnUncheckedBackendWhoseLinkIsLostIfAnotherServes) {
    Service service;
    service.config.protocol = conf::Protocol::kUdp;
    service.backends.resize(2);
    for (Backend& backend : service.backends) {
        backend.admin = Admin::kReady;
        backend.health = Health::kUnchecked;
    }
    const auto desired_first = [&service](bool first_is_lost, bool second_is_lost) {
        service.backends[0].is_link_lost = first_is_lost;
        service.backends[1].is_link_lost = second_is_lost;
        for (Backend& backend : service.backends) {
            judge(backend, at(1));
        }
        return desired(desired_services({service}), 0, 0);
    };
    EXPECT_TRUE(desired_first(false, false).keeps_flows);
    EXPECT_FALSE(desired_first(true, false).keeps_flows);
    EXPECT_TRUE(desired_first(true, false).is_taken_out);
    EXPECT_TRUE(desired_first(true, true).keeps_flows) << "nobody serves: there is nowhere to go";
}

TEST(Model, AChangeOfStateIsDatedAndCounted) {
    Model model = healthy_model();
    EXPECT_EQ(backend_of(model, "portal", "app-1").since, at(1));
    EXPECT_EQ(backend_of(model, "portal", "app-1").transitions, 1U);  // out, then serving
    EXPECT_TRUE(
        model.observe_health({"portal", "app-1"}, ip("10.0.4.1"), Health::kFalling, "", at(5)));
    EXPECT_EQ(backend_of(model, "portal", "app-1").since, at(1));
    EXPECT_TRUE(
        model.observe_health({"portal", "app-1"}, ip("10.0.4.1"), Health::kDown, "refused", at(6)));
    EXPECT_FALSE(
        model.observe_health({"portal", "app-1"}, ip("10.0.4.1"), Health::kDown, "", at(7)));
    EXPECT_EQ(backend_of(model, "portal", "app-1").since, at(6));
    EXPECT_EQ(backend_of(model, "portal", "app-1").transitions, 2U);
    EXPECT_EQ(backend_of(model, "portal", "app-1").why, "its checks fail: refused");
}

TEST(Model, AdminAndWeightAreOverridesAndGoWhenTheyEqualTheFile) {
    Model model = healthy_model();
    ASSERT_TRUE(*model.patch({"portal", "app-1"}, {Admin::kDrain, 5}, by_root("kernel"), at(9)));
    EXPECT_EQ(backend_of(model, "portal", "app-1").admin, Admin::kDrain);
    EXPECT_EQ(backend_of(model, "portal", "app-1").weight, 5U);
    EXPECT_EQ(backend_of(model, "portal", "app-1").drain_start, at(9));
    const BackendOverrides& entry = model.overrides().at({"portal", "app-1"});
    EXPECT_EQ(entry.weight->in_file, 10U);
    EXPECT_EQ(entry.admin->made.reason, "kernel");
    EXPECT_FALSE(*model.patch({"portal", "app-1"}, {Admin::kDrain, 5}, by_root(), at(10)));
    ASSERT_TRUE(*model.patch({"portal", "app-1"}, {Admin::kReady, 10}, by_root(), at(11)));
    EXPECT_TRUE(model.overrides().empty());
    EXPECT_EQ(backend_of(model, "portal", "app-1").effective, Effective::kServing);
    EXPECT_FALSE(backend_of(model, "portal", "app-1").drain_start);
}

TEST(Model, ABackendBackFromMaintenanceHasToProveItself) {
    Model model = healthy_model();
    ASSERT_TRUE(model.patch({"portal", "app-1"}, {Admin::kMaint, {}}, by_root(), at(2)));
    EXPECT_FALSE(
        model.observe_health({"portal", "app-1"}, ip("10.0.4.1"), Health::kDown, "", at(3)));
    ASSERT_TRUE(model.patch({"portal", "app-1"}, {Admin::kReady, {}}, by_root(), at(4)));
    EXPECT_EQ(backend_of(model, "portal", "app-1").health, Health::kUnknown);
    EXPECT_EQ(backend_of(model, "portal", "app-1").effective, Effective::kOut);
}

TEST(Model, ADrainedBackendIsCheckedOnAndComesBackAtOnce) {
    Model model = healthy_model();
    ASSERT_TRUE(model.patch({"portal", "app-1"}, {Admin::kDrain, {}}, by_root(), at(2)));
    ASSERT_TRUE(model.patch({"portal", "app-1"}, {Admin::kReady, {}}, by_root(), at(3)));
    EXPECT_EQ(backend_of(model, "portal", "app-1").effective, Effective::kServing);
}

TEST(Model, AnAddedBackendIsMarkedAndKept) {
    Model model = healthy_model();
    ASSERT_TRUE(model.add({"portal", "app-3"}, {ip("10.0.4.3"), 7, by_root()}, at(2)));
    const Backend& added = backend_of(model, "portal", "app-3");
    EXPECT_EQ(added.origin, Origin::kRuntime);
    EXPECT_EQ(added.configured_weight, 7U);
    EXPECT_EQ(added.health, Health::kUnknown);
    EXPECT_EQ(backend_of(model, "portal", "app-1").effective, Effective::kServing);
    EXPECT_TRUE(model.load(example_config(), at(3)).empty());
    EXPECT_NE(find_backend(model.services()[0], "app-3"), nullptr);
}

TEST(Model, WhatCannotBeAddedIsRefusedAndChangesNothing) {
    Model model = healthy_model();
    const auto code = [&model](const char* service, const char* name, const char* address) {
        const auto added = model.add({service, name}, {ip(address), 1, by_root()}, at(2));
        EXPECT_FALSE(added);
        return added ? RefusalCode::kInternal : added.error().code;
    };
    EXPECT_EQ(code("nobody", "app-3", "10.0.4.3"), RefusalCode::kNotFound);
    EXPECT_EQ(code("portal", "app-1", "10.0.4.3"), RefusalCode::kConflict);
    EXPECT_EQ(code("portal", "app-3", "10.0.4.1"), RefusalCode::kConflict);
    EXPECT_EQ(code("portal", "app-3", "203.0.113.10"), RefusalCode::kBadRequest);
    EXPECT_EQ(code("portal", "app-3", "2001:db8::1"), RefusalCode::kBadRequest);
    EXPECT_EQ(code("portal", "app-3", "127.0.0.1"), RefusalCode::kBadRequest);
    EXPECT_EQ(code("portal", "a b", "10.0.4.3"), RefusalCode::kBadRequest);
    EXPECT_EQ(code("portal", "", "10.0.4.3"), RefusalCode::kBadRequest);
    EXPECT_TRUE(model.overrides().empty());
    EXPECT_EQ(model.services()[0].backends.size(), 2U);
}

TEST(Model, ARemovedBackendStaysUntilItIsForgotten) {
    Model model = healthy_model();
    ASSERT_TRUE(*model.remove({"portal", "app-2"}, by_root(), at(2)));
    const Backend& leaving = backend_of(model, "portal", "app-2");
    EXPECT_TRUE(leaving.is_removing);
    EXPECT_EQ(leaving.effective, Effective::kDraining);
    EXPECT_TRUE(model.has_removing());
    EXPECT_FALSE(*model.remove({"portal", "app-2"}, by_root(), at(3)));
    EXPECT_EQ(model.patch({"portal", "app-2"}, {Admin::kMaint, {}}, by_root(), at(3)).error().code,
              RefusalCode::kConflict);
    EXPECT_FALSE(model.forget([](const Service&, const Backend&) { return false; }));
    EXPECT_TRUE(model.forget([](const Service&, const Backend&) { return true; }));
    EXPECT_EQ(find_backend(model.services()[0], "app-2"), nullptr);
    EXPECT_EQ(model.services()[0].backends.size(), 1U);
    EXPECT_TRUE(model.load(example_config(), at(4)).empty());
    EXPECT_EQ(find_backend(model.services()[0], "app-2"), nullptr) << "the removal holds";
}

TEST(Model, ARemovedBackendCanBeAddedAgainWhileItDrains) {
    Model model = healthy_model();
    ASSERT_TRUE(model.remove({"portal", "app-2"}, by_root(), at(2)));
    ASSERT_TRUE(model.add({"portal", "app-2"}, {ip("10.0.4.2"), 20, by_root()}, at(3)));
    EXPECT_TRUE(model.overrides().empty()) << "the file's backend is back, nothing overrides it";
    EXPECT_EQ(model.services()[0].backends.size(), 2U);
    EXPECT_FALSE(backend_of(model, "portal", "app-2").is_removing);
    EXPECT_EQ(backend_of(model, "portal", "app-2").origin, Origin::kFile);
}

TEST(Model, ABackendAddedAgainAtAnotherAddressStandsBesideTheOneThatDrains) {
    Model model = healthy_model();
    ASSERT_TRUE(model.remove({"portal", "app-2"}, by_root(), at(2)));
    ASSERT_TRUE(model.add({"portal", "app-2"}, {ip("10.0.4.9"), 20, by_root()}, at(3)));
    EXPECT_EQ(model.services()[0].backends.size(), 3U);
    EXPECT_EQ(backend_of(model, "portal", "app-2").address, ip("10.0.4.9"));
    EXPECT_TRUE(model.load(example_config(), at(4)).empty());
    EXPECT_EQ(backend_of(model, "portal", "app-2").address, ip("10.0.4.9"));
}

TEST(Model, AReloadDrainsWhatTheFileHasLost) {
    Model model = healthy_model();
    conf::Config config = example_config();
    config.services[0].backends.pop_back();
    config.services.pop_back();
    EXPECT_TRUE(model.load(config, at(2)).empty());
    EXPECT_TRUE(backend_of(model, "portal", "app-2").is_removing);
    ASSERT_EQ(model.services().size(), 2U);
    EXPECT_TRUE(model.services()[1].is_removing);
    EXPECT_TRUE(model.services()[1].backends[0].is_removing);
    EXPECT_TRUE(model.forget([](const Service&, const Backend&) { return true; }));
    EXPECT_EQ(model.services().size(), 1U);
}

TEST(Model, AServiceUnderANewNameTakesItsVipOverAtOnce) {
    Model model = healthy_model();
    conf::Config config = example_config();
    config.services[1].name = "billing";
    EXPECT_TRUE(model.load(config, at(2)).empty());
    ASSERT_EQ(model.services().size(), 2U);
    EXPECT_EQ(model.services()[1].config.name, "billing");
}

TEST(Model, AServiceThatDrainsKeepsNoPortFromOneThatStays) {
    struct Case {
        std::uint16_t port;
        std::uint16_t last_port;
        bool is_kept;
    };
    conf::Config before = example_config();
    before.services[1].port = 8'000;
    before.services[1].last_port = 8'100;
    for (const Case& is : {Case{0, 0, false},
                           Case{8'100, 8'200, false},
                           Case{8'101, 8'200, true},
                           Case{8'050, 0, true},
                           Case{443, 0, true}}) {
        Model model(before, {}, at(0));
        conf::Config after = before;
        after.services[1].name = "billing";
        after.services[1].port = is.port;
        after.services[1].last_port = is.last_port;
        EXPECT_TRUE(model.load(after, at(2)).empty());
        EXPECT_EQ(find_service(model.services(), "payments") != nullptr, is.is_kept) << is.port;
    }
}

TEST(Model, AnAddressChangedInTheFileDrainsTheOldServer) {
    Model model = healthy_model();
    conf::Config config = example_config();
    config.services[0].backends[0].address = ip("10.0.4.7");
    EXPECT_TRUE(model.load(config, at(2)).empty());
    EXPECT_EQ(model.services()[0].backends.size(), 3U);
    EXPECT_EQ(backend_of(model, "portal", "app-1").address, ip("10.0.4.7"));
    EXPECT_EQ(backend_of(model, "portal", "app-1").health, Health::kUnknown);
    EXPECT_TRUE(model.services()[0].backends[2].is_removing);
    EXPECT_EQ(model.services()[0].backends[2].address, ip("10.0.4.1"));
}

TEST(Model, AReloadKeepsHealthAndANewCheckDoesNotFlap) {
    Model model = healthy_model();
    conf::Config config = example_config();
    config.services[1].health.type = conf::CheckType::kTcp;
    config.services[0].health.type = conf::CheckType::kNone;
    EXPECT_TRUE(model.load(config, at(2)).empty());
    EXPECT_EQ(backend_of(model, "payments", "pay-1").health, Health::kUp);
    EXPECT_EQ(backend_of(model, "portal", "app-1").health, Health::kUnchecked);
    EXPECT_EQ(backend_of(model, "portal", "app-1").since, at(1));
}

TEST(Model, ARestartGoesOnFromTheSegment) {
    Model model = example_model();
    const auto number = [](Health health) {
        return static_cast<std::uint32_t>(health);
    };
    const auto ns = [](Time time) {
        return time.time_since_epoch().count();
    };
    model.take_over({{},
                     {{"portal", "app-1", ip("10.0.4.1"), number(Health::kUp), ns(at(-50))},
                      {"portal", "app-2", ip("10.0.4.2"), number(Health::kDown), ns(at(-40))},
                      {"portal", "app-0", ip("10.0.4.3"), number(Health::kUp), ns(at(-30))},
                      {"payments", "pay-1", ip("10.0.5.1"), number(Health::kUnchecked), ns(at(-9))},
                      {"gone", "x", ip("10.0.9.1"), 77, 0}}},
                    at(0));
    EXPECT_EQ(backend_of(model, "portal", "app-1").effective, Effective::kServing);
    EXPECT_EQ(backend_of(model, "portal", "app-1").health_since, at(-50));
    EXPECT_EQ(backend_of(model, "portal", "app-2").health, Health::kDown);
    EXPECT_TRUE(backend_of(model, "portal", "app-0").is_removing) << "the file has lost it";
    EXPECT_EQ(model.services().size(), 2U);
}

TEST(Model, ARestartSettlesWhatRoseOrFell) {
    Model model = example_model();
    model.take_over(
        {{},
         {{"portal", "app-1", ip("10.0.4.1"), static_cast<std::uint32_t>(Health::kFalling), 0},
          {"portal", "app-2", ip("10.0.4.2"), static_cast<std::uint32_t>(Health::kRising), 0}}},
        at(0));
    EXPECT_EQ(backend_of(model, "portal", "app-1").health, Health::kUp);
    EXPECT_EQ(backend_of(model, "portal", "app-2").health, Health::kDown);
}

publish::KnownService known_service(const char* name, std::uint16_t port) {
    return {.name = name,
            .vip = ip("203.0.113.10"),
            .port = port,
            .protocol = IPPROTO_TCP,
            .source_prefix_bits = 24,
            .mode = shm::ForwardingMode::kGue};
}

TEST(Model, AServiceThatTheFileHasLostDrainsOnAfterARestart) {
    Model model = example_model();
    model.take_over({{known_service("reports", 8443)}, {{"reports", "x", ip("10.0.9.1"), 1, 0}}},
                    at(0));
    const Service* reports = find_service(model.services(), "reports");
    ASSERT_NE(reports, nullptr);
    EXPECT_TRUE(reports->is_removing && reports->backends.at(0).is_removing);
    const publish::DesiredService out = desired_services(model.services()).back();
    EXPECT_EQ(out.vip, ip("203.0.113.10"));
    EXPECT_EQ(out.port, 8443);
    EXPECT_EQ(out.protocol, IPPROTO_TCP);
    EXPECT_EQ(out.source_prefix_bits, 24);
    EXPECT_EQ(out.mode, shm::ForwardingMode::kGue);
    EXPECT_TRUE(out.backends.at(0).keeps_flows && !out.backends.at(0).admits_new);
    EXPECT_TRUE(model.forget([](const Service&, const Backend&) { return true; }));
    EXPECT_EQ(find_service(model.services(), "reports"), nullptr);
}

TEST(Model, AServiceThatTheFileHasLostYieldsToOneOfItsPortAndToADamagedSegment) {
    Model model = example_model();
    publish::KnownService no_mode = known_service("no-mode", 81);
    no_mode.mode = shm::ForwardingMode{9};
    publish::KnownService no_protocol = known_service("no-protocol", 82);
    no_protocol.protocol = 255;
    const std::vector<publish::KnownService> services = {known_service("replaced", 443),
                                                         known_service("twice", 83),
                                                         known_service("again", 83),
                                                         known_service("empty", 84),
                                                         no_mode,
                                                         no_protocol};
    std::vector<publish::KnownBackend> backends;
    for (const publish::KnownService& service : services) {
        if (service.name != "empty") {
            backends.push_back({service.name, "x", ip("10.0.9.1"), 1, 0});
        }
    }
    model.take_over({services, backends}, at(0));
    ASSERT_EQ(model.services().size(), 3U);
    EXPECT_EQ(model.services().back().config.name, "twice");
}

TEST(Model, AnUnknownLinkNeverTakesAKnownOneAway) {
    Model model = healthy_model();
    Backend& backend = model.services()[0].backends[0];
    const publish::Link link{*MacAddress::parse("02:00:00:00:04:01"), PortIndex{0}};
    EXPECT_TRUE(Model::observe_link(backend, link, "", false, at(2)));
    EXPECT_FALSE(model.observe_link(backend, link, "", false, at(3)));
    EXPECT_TRUE(model.observe_link(backend, {}, "no neighbor", false, at(4)));
    EXPECT_EQ(backend.link, link);
    EXPECT_EQ(backend.link_problem, "no neighbor");
}

TEST(Model, ALostLinkTakesABackendOutUnlessAllOfItsServiceAreLost) {
    Model model = healthy_model();
    std::vector<Backend>& backends = model.services()[0].backends;
    ASSERT_GE(backends.size(), 2U);
    const publish::Link link{*MacAddress::parse("02:00:00:00:04:01"), PortIndex{0}};
    for (Backend& backend : backends) {
        ASSERT_TRUE(Model::observe_link(backend, link, "", false, at(2)));
    }
    EXPECT_TRUE(Model::observe_link(backends[0], {}, "no answer", true, at(3)));
    EXPECT_EQ(backends[0].effective, Effective::kOut);
    EXPECT_EQ(backends[0].why, "no answer");
    EXPECT_FALSE(backends[0].link);
    const auto desired = desired_services(model.services())[0].backends;
    EXPECT_EQ(desired[0].ring_weight, 0U);
    EXPECT_TRUE(desired[0].is_link_lost);
    EXPECT_GT(desired[1].ring_weight, 0U);
    for (Backend& backend : backends) {
        (void)Model::observe_link(backend, {}, "no answer", true, at(4));
    }
    const std::vector<publish::DesiredService> desired_now = desired_services(model.services());
    for (const publish::DesiredBackend& backend : desired_now[0].backends) {
        EXPECT_GT(backend.ring_weight, 0U) << "the shares stay for their return";
    }
    EXPECT_TRUE(Model::observe_link(backends[0], link, "", false, at(5)));
    EXPECT_EQ(backends[0].effective, Effective::kServing);
}

}  // namespace
}  // namespace fairlead::model
