#include "ctl/daemon/min_healthy_watch.h"

#include <gtest/gtest.h>

#include "tests/unit/ctl/model/example.h"

namespace fairlead::daemon {
namespace {

using model::Health;

model::Model portal_that_needs_both() {
    conf::Config config = model::example_config();
    config.services[0].min_healthy = {.percent = 60};
    config.services[0].on_min_healthy = conf::OnMinHealthy::kFailOpen;
    model::Model model(std::move(config), {}, model::at(0));
    model.observe_health({"portal", "app-1"}, model::ip("10.0.4.1"), Health::kUp, "", model::at(1));
    model.observe_health({"portal", "app-2"}, model::ip("10.0.4.2"), Health::kUp, "", model::at(1));
    return model;
}

TEST(MinHealthyWatch, TellsOnceThatAServiceFallsBelowAndOnceThatItIsOver) {
    model::Model model = portal_that_needs_both();
    MinHealthyWatch watch;
    EXPECT_TRUE(watch.look(model).empty());
    EXPECT_TRUE(min_healthy_problems(model).empty());
    model.observe_health(
        {"portal", "app-2"}, model::ip("10.0.4.2"), Health::kDown, "refused", model::at(2));
    const auto begun = watch.look(model);
    ASSERT_EQ(begun.size(), 1U);
    EXPECT_EQ(begun[0].service, "portal");
    EXPECT_TRUE(begun[0].is_below);
    EXPECT_EQ(begun[0].count.healthy, 1U);
    EXPECT_EQ(begun[0].count.least, 2U);
    EXPECT_TRUE(watch.look(model).empty()) << "it is told";
    ASSERT_EQ(min_healthy_problems(model).size(), 1U);
    EXPECT_EQ(min_healthy_problems(model)[0].sentence,
              "of 2 ready backends of service portal 1 are healthy, and min_healthy = 60% asks for "
              "2: all that are ready and have a link get new flows, whatever their checks say "
              "(fail-open)");
    model.observe_health({"portal", "app-2"}, model::ip("10.0.4.2"), Health::kUp, "", model::at(3));
    EXPECT_TRUE(watch.look(model).empty()) << "not for long enough";
    EXPECT_EQ(min_healthy_problems(model).size(), 1U);
    model.observe_time(model::at(13));
    const auto over = watch.look(model);
    ASSERT_EQ(over.size(), 1U);
    EXPECT_FALSE(over[0].is_below);
    EXPECT_TRUE(min_healthy_problems(model).empty());
}

}  // namespace
}  // namespace fairlead::daemon
