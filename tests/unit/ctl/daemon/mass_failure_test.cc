#include "ctl/daemon/mass_failure.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/unit/ctl/model/example.h"

namespace fairlead::daemon {
namespace {

using model::Health;
using namespace std::chrono_literals;

constexpr auto kWithin = 1500ms;

// Services "a" and "b" of `each` backends, all up, and one that is unchecked.
class MassFailureTest : public testing::Test {
  protected:
    void have(unsigned each, std::chrono::milliseconds hold = 10s) {
        conf::Config config;
        config.node.mass_failure_hold = hold;
        for (const char* name : {"a", "b", "unchecked"}) {
            conf::ServiceConfig& service = config.services.emplace_back();
            service.name = name;
            service.vip = model::ip("203.0.113.10");
            service.port = static_cast<std::uint16_t>(config.services.size());
            if (service.name == "unchecked") {
                service.health.type = conf::CheckType::kNone;
            }
            for (unsigned i = 1; i <= each; ++i) {
                const std::string number = std::to_string(i);
                service.backends.push_back(
                    model::backend_config(number.c_str(), ("10.0.4." + number).c_str(), 1));
            }
        }
        watch_.follow(model::Model(std::move(config), {}, model::at(0)));
        for (const char* name : {"a", "b"}) {
            for (unsigned i = 1; i <= each; ++i) {
                EXPECT_FALSE(is_now({name, std::to_string(i)}, Health::kUp));
            }
        }
    }
    bool is_now(const model::BackendKey& backend, Health health) {
        return watch_.note(backend, health, kWithin, now_);
    }
    bool fails(const char* service, unsigned number) {
        return is_now({service, std::to_string(number)}, Health::kFalling);
    }

    MassFailure watch_;
    MassFailure::Clock::time_point now_{1h};
};

TEST_F(MassFailureTest, HoldsAsSoonAsMoreThanHalfHaveFailedWithinOneIntervalAndTimeOut) {
    have(2);
    EXPECT_FALSE(fails("a", 1));
    now_ += 700ms;
    EXPECT_FALSE(fails("b", 1));
    now_ += 800ms;
    EXPECT_FALSE(watch_.holds());
    EXPECT_TRUE(fails("b", 2)) << "3 of 4, in 1,500 ms";
    EXPECT_TRUE(watch_.holds());
    EXPECT_EQ(watch_.failed(), 3U);
    EXPECT_EQ(watch_.were_up(), 4U);
    EXPECT_TRUE(watch_.is_fresh({"a", "1"}));
    EXPECT_FALSE(watch_.is_fresh({"a", "2"}));
    EXPECT_NE(watch_.problem().find("3 of 4 backends"), std::string::npos);
    EXPECT_FALSE(fails("a", 2)) << "it holds already";
}

TEST_F(MassFailureTest, HalfOfThemIsNoMassFailureAndNeitherAreTwo) {
    have(2);
    EXPECT_FALSE(fails("a", 1));
    EXPECT_FALSE(fails("a", 2)) << "2 of 4";
    have(1);
    EXPECT_FALSE(fails("a", 1));
    EXPECT_FALSE(fails("b", 1)) << "2 of 2: fewer than three";
    have(3);
    for (unsigned i = 1; i <= 3; ++i) {
        EXPECT_FALSE(fails("a", i)) << "3 of 6";
    }
    EXPECT_FALSE(watch_.holds());
}

TEST_F(MassFailureTest, ThoseThatFailedLongerAgoDoNotShareTheCause) {
    have(2);
    EXPECT_FALSE(fails("a", 1));
    now_ += 1501ms;
    EXPECT_FALSE(fails("a", 2));
    EXPECT_FALSE(fails("b", 1)) << "2 within 1,500 ms; the first one was before";
    now_ += 100ms;
    EXPECT_TRUE(fails("b", 2));
    EXPECT_FALSE(watch_.is_fresh({"a", "1"}));
}

TEST_F(MassFailureTest, ACheckThatIsMadeSeldomLooksBackAsFarAsItsOwnInterval) {
    have(2);
    EXPECT_FALSE(fails("a", 1));
    EXPECT_FALSE(fails("a", 2));
    now_ += 8s;
    EXPECT_TRUE(watch_.note({"b", "1"}, Health::kFalling, 10500ms, now_));
}

TEST_F(MassFailureTest, OneThatGoesDownAtItsFirstFailedCheckCountsAndOneThatWasNeverUpDoesNot) {
    have(2);
    EXPECT_FALSE(is_now({"a", "1"}, Health::kDown));
    EXPECT_FALSE(is_now({"a", "2"}, Health::kDown));
    EXPECT_TRUE(is_now({"b", "1"}, Health::kDown));

    MassFailure fresh_start;
    conf::Config config = model::example_config();
    config.services[0].backends.push_back(model::backend_config("app-3", "10.0.4.3", 1));
    fresh_start.follow(model::Model(std::move(config), {}, model::at(0)));
    for (const char* name : {"app-1", "app-2", "app-3"}) {
        EXPECT_FALSE(fresh_start.note({"portal", name}, Health::kDown, kWithin, now_)) << name;
    }
}

TEST_F(MassFailureTest, AFailureCountsFromItsFirstCheckAndFallingToDownIsNoOther) {
    have(2);
    EXPECT_FALSE(fails("a", 1));
    now_ += 2s;
    EXPECT_FALSE(is_now({"a", "1"}, Health::kDown));
    EXPECT_FALSE(fails("a", 2));
    EXPECT_FALSE(fails("b", 1)) << "a/1 failed 2 s ago, whatever it is called since";
}

TEST_F(MassFailureTest, AHoldEndsInTimeAndComesOnceUntilMostHaveRecovered) {
    have(2);
    fails("a", 1);
    fails("a", 2);
    EXPECT_TRUE(fails("b", 1));
    now_ += 9999ms;
    EXPECT_FALSE(watch_.is_over(now_));
    now_ += 1ms;
    EXPECT_TRUE(watch_.is_over(now_));
    EXPECT_FALSE(watch_.holds());
    EXPECT_FALSE(watch_.is_over(now_)) << "once";
    for (int i = 0; i < 3; ++i) {  // some waver, most stay dead
        now_ += 1s;
        EXPECT_FALSE(is_now({"a", "1"}, Health::kUp));
        EXPECT_FALSE(fails("a", 1));
        EXPECT_FALSE(fails("b", 2));
    }
    EXPECT_EQ(watch_.not_recovered(), 4U);
    for (const auto& [service, number] : {std::pair("a", "1"), {"a", "2"}, {"b", "1"}}) {
        EXPECT_FALSE(is_now({service, number}, Health::kUp));
    }
    now_ += 1s;
    EXPECT_FALSE(fails("a", 1));
    EXPECT_FALSE(fails("a", 2));
    EXPECT_TRUE(fails("b", 1)) << "another event";
    EXPECT_EQ(watch_.holds_so_far(), 2U);
}

TEST_F(MassFailureTest, AFewThatRecoverAndFailAgainAreNotHeldWhileMostAreStillDead) {
    have(4);
    unsigned begun = 0;
    for (const char* service : {"a", "b"}) {
        for (const char* number : {"1", "2", "3", "4"}) {
            begun += is_now({service, number}, Health::kDown) ? 1U : 0U;
        }
    }
    EXPECT_EQ(begun, 1U);
    now_ += 10s;
    EXPECT_TRUE(watch_.is_over(now_));
    for (const Health health : {Health::kUp, Health::kDown}) {
        for (const char* number : {"1", "2", "3"}) {
            EXPECT_FALSE(is_now({"a", number}, health))
                << "3 of the 3 that were up, but 5 of 8 dead";
        }
    }
    for (const char* number : {"1", "2", "3", "4"}) {
        EXPECT_FALSE(is_now({"a", number}, Health::kUp));
    }
    EXPECT_FALSE(is_now({"b", "1"}, Health::kUp)) << "5 of 8 have recovered";
    for (const char* number : {"1", "2"}) {
        EXPECT_FALSE(is_now({"a", number}, Health::kDown));
    }
    EXPECT_TRUE(is_now({"a", "3"}, Health::kDown)) << "3 of 5: another event";
}

TEST_F(MassFailureTest, WithoutAHoldNothingIsHeld) {
    have(2, 0s);
    for (const char* service : {"a", "b"}) {
        EXPECT_FALSE(fails(service, 1));
        EXPECT_FALSE(fails(service, 2));
    }
    EXPECT_FALSE(watch_.holds());
}

TEST_F(MassFailureTest, WhatIsNotCheckedDoesNotCount) {
    have(2);
    EXPECT_FALSE(fails("unchecked", 1));
    EXPECT_FALSE(fails("unchecked", 2));
    EXPECT_FALSE(fails("nobody", 1));
    EXPECT_EQ(watch_.not_recovered(), 0U);
}

TEST_F(MassFailureTest, OfManyTheHoldBeginsWithTheFirstThatMakesItMoreThanHalf) {
    have(250);  // addresses end at .250
    unsigned begun = 0;
    for (unsigned i = 1; i <= 250; ++i) {
        begun += fails("a", i) ? 1U : 0U;
        begun += fails("b", i) ? 1U : 0U;
    }
    EXPECT_EQ(begun, 1U);
    EXPECT_EQ(watch_.failed(), 251U);
    EXPECT_EQ(watch_.were_up(), 500U);
}

}  // namespace
}  // namespace fairlead::daemon
