#include "ctl/daemon/port_watch.h"

#include <algorithm>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dp/shm/port_condition.h"

namespace fairlead::daemon {
namespace {

using shm::PortCondition;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class PortWatchTest : public testing::Test {
  protected:
    PortWatchTest() : header_(std::make_unique<shm::TelemetryHeader>()) {
        name(0, "edge", "eth0");
        name(1, "core", "eth1");
        header_->port_count.store(2);
    }
    void name(std::size_t port, std::string_view name, std::string_view interface) {
        std::copy(name.begin(), name.end(), header_->ports.at(port).name.begin());
        header_->ports.at(port).interface.set(interface);
        header_->ports.at(port).is_up.set(1);
    }
    void set(std::size_t port, std::uint64_t bits) { header_->ports.at(port).conditions.set(bits); }
    const std::vector<Problem>& look() {
        watch_.look(header_.get(), {"edge", "core"});
        return watch_.problems();
    }

    std::unique_ptr<shm::TelemetryHeader> header_;
    PortWatch watch_;
};

TEST_F(PortWatchTest, PortsThatWorkAreNoProblem) {
    EXPECT_THAT(look(), IsEmpty());
}

TEST_F(PortWatchTest, AConditionIsASentenceWithPortAndInterface) {
    set(0, bit_of(PortCondition::kAdminDown));
    ASSERT_THAT(look(), SizeIs(1));
    EXPECT_EQ(look()[0].sentence,
              "port edge: the interface eth0 is switched off: `ip link set eth0 up`");
    set(0, 0);
    EXPECT_THAT(look(), IsEmpty());
}

TEST_F(PortWatchTest, TheInterfaceStandsInACommandAsOneWord) {
    name(0, "edge", "a;b'c");
    set(0, bit_of(PortCondition::kAdminDown));
    ASSERT_THAT(look(), SizeIs(1));
    EXPECT_THAT(look()[0].sentence, HasSubstr(R"(`ip link set 'a;b'\''c' up`)"));
}

TEST_F(PortWatchTest, KnowsOnWhichInterfaceTheEngineHasAPort) {
    header_->ports[1].interface_index.set(7);
    look();
    EXPECT_EQ(watch_.interfaces().at("core").index, 7);
    EXPECT_EQ(watch_.interfaces().at("core").name, "eth1");
    watch_.look(nullptr, {"edge", "core"});
    EXPECT_TRUE(watch_.interfaces().empty());
}

TEST_F(PortWatchTest, WhatStopsTrafficIsCriticalWhereNoPortIsWithout) {
    set(0, bit_of(PortCondition::kNoCarrier));
    ASSERT_THAT(look(), SizeIs(1));
    EXPECT_FALSE(look()[0].is_critical) << "core still works";
    set(1, bit_of(PortCondition::kInterfaceGone) | bit_of(PortCondition::kMtuTooLarge));
    ASSERT_THAT(look(), SizeIs(3));
    EXPECT_TRUE(look()[0].is_critical);
    EXPECT_TRUE(look()[1].is_critical);
    EXPECT_FALSE(look()[2].is_critical) << "some packets pass a port with a large MTU";
}

TEST_F(PortWatchTest, ALinkThatIsDownIsAProblemAlsoWhereNothingSaysWhy) {
    header_->ports[0].is_up.set(0);
    ASSERT_THAT(look(), SizeIs(1));
    EXPECT_THAT(look()[0].sentence, HasSubstr("port edge: it has no link"));
    set(0, bit_of(PortCondition::kNoCarrier));
    ASSERT_THAT(look(), SizeIs(1));
    EXPECT_THAT(look()[0].sentence, Not(HasSubstr("it has no link")));
}

TEST_F(PortWatchTest, BitsThatNobodyKnowsAreNothing) {
    set(0, ~std::uint64_t{0} << shm::kPortConditionCount);
    EXPECT_THAT(look(), IsEmpty());
}

TEST_F(PortWatchTest, APortOfOneSideAloneIsNamed) {
    name(1, "late", "eth1");
    ASSERT_THAT(look(), SizeIs(2));
    EXPECT_THAT(look()[0].sentence, HasSubstr("port late is lbdp's alone"));
    EXPECT_THAT(look()[1].sentence, HasSubstr("port core is lbd's alone"));
}

TEST_F(PortWatchTest, TellsWhetherTheEngineSaysIt) {
    set(0, bit_of(PortCondition::kAdminDown));
    look();
    EXPECT_TRUE(watch_.tells("edge", PortCondition::kAdminDown));
    EXPECT_FALSE(watch_.tells("edge", PortCondition::kInterfaceGone));
    EXPECT_FALSE(watch_.tells("core", PortCondition::kAdminDown));
    EXPECT_FALSE(watch_.tells("late", PortCondition::kAdminDown));
    watch_.look(nullptr, {"edge", "core"});
    EXPECT_FALSE(watch_.tells("edge", PortCondition::kAdminDown)) << "no engine runs";
}

TEST_F(PortWatchTest, ANameAsLongAsNamesMayBeIsWhole) {
    const std::string longest(63, 'e');
    name(0, longest, "eth0");
    watch_.look(header_.get(), {longest, "core"});
    EXPECT_THAT(watch_.problems(), IsEmpty());
}

TEST_F(PortWatchTest, OfAnEngineThatDoesNotRunNothingIsKnown) {
    set(0, bit_of(PortCondition::kNoCarrier));
    watch_.look(nullptr, {"edge", "core"});
    EXPECT_THAT(watch_.problems(), IsEmpty());
    header_->port_count.store(0);
    EXPECT_THAT(look(), IsEmpty());
}

TEST(ConditionsOf, NamesThemAsTheMetricDoes) {
    const auto port = std::make_unique<shm::PortTelemetry>();
    port->conditions.set(bit_of(PortCondition::kNoCarrier) | bit_of(PortCondition::kProgramGone) |
                         (std::uint64_t{1} << 63U));
    EXPECT_THAT(conditions_of(*port), ::testing::ElementsAre("no_carrier", "program_gone"));
}

}  // namespace
}  // namespace fairlead::daemon
