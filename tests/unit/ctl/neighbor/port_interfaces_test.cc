#include "ctl/neighbor/port_interfaces.h"

#include <algorithm>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::neighbor {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The port "edge" on eth0, of index 2.
class PortInterfacesTest : public testing::Test {
  protected:
    PortInterfacesTest() {
        config_.name = "edge";
        config_.interface = "eth0";
        add(2, "eth0");
        look();
    }
    void add(int index, const std::string& name) {
        Interface interface;
        interface.index = index;
        interface.name = name;
        interface.is_up = true;
        interfaces_.push_back(interface);
    }
    void remove(int index) {
        std::erase_if(interfaces_,
                      [index](const Interface& interface) { return interface.index == index; });
        ports_.forget(index);
    }
    Interface& of(int index) { return *std::ranges::find(interfaces_, index, &Interface::index); }
    bool look() { return ports_.look(0, config_, interfaces_); }
    // The index of the interface that the port faces; -1: there is none.
    [[nodiscard]] int facing() const {
        return ports_.facing(0) == nullptr ? -1 : ports_.facing(0)->index;
    }
    [[nodiscard]] PortProblem problem() const {
        return ports_.problem(0, config_).value_or(PortProblem{});
    }

    conf::PortConfig config_;
    std::vector<Interface> interfaces_;
    PortInterfaces ports_{1};
};

TEST_F(PortInterfacesTest, ARenamedInterfaceIsKeptAndToldWithWhatMendsIt) {
    EXPECT_FALSE(ports_.problem(0, config_));
    of(2).name = "uplink";
    EXPECT_FALSE(look());
    EXPECT_EQ(facing(), 2);
    EXPECT_EQ(ports_.facing(0)->name, "uplink");
    EXPECT_THAT(problem().sentence, HasSubstr("port edge: the interface eth0 is called uplink"));
    EXPECT_THAT(problem().sentence, HasSubstr("`ip link property add dev uplink altname eth0`"));
    EXPECT_FALSE(problem().condition);
    of(2).alternative_names = {"eth0"};
    look();
    EXPECT_FALSE(ports_.problem(0, config_)) << "the next start finds it";
}

TEST_F(PortInterfacesTest, AnotherOneOfTheConfiguredNameIsNotTaken) {
    of(2).name = "uplink";
    add(3, "eth0");
    EXPECT_FALSE(look());
    EXPECT_EQ(facing(), 2);
    EXPECT_THAT(problem().sentence, HasSubstr("write interface = \"uplink\""));
    EXPECT_THAT(problem().sentence, Not(HasSubstr("altname"))) << "the name is not free";
    remove(2);
    EXPECT_TRUE(look());
    EXPECT_EQ(facing(), 3) << "the one that was held has gone";
    EXPECT_FALSE(ports_.problem(0, config_));
}

TEST_F(PortInterfacesTest, WhatHasGoneIsLookedForByNameAlsoWhereItsIndexIsUsedAgain) {
    remove(2);
    add(2, "other");
    EXPECT_TRUE(look());
    EXPECT_EQ(facing(), -1);
    EXPECT_EQ(problem().condition, shm::PortCondition::kInterfaceGone);
    EXPECT_THAT(problem().sentence, HasSubstr("there is no interface eth0"));
    add(9, "wan");
    of(9).alternative_names = {"a-name-of-more-than-15-characters", "eth0"};
    EXPECT_TRUE(look());
    EXPECT_EQ(facing(), 9);
}

TEST_F(PortInterfacesTest, AnInterfaceThatIsDownIsNamedAsItIsCalledNow) {
    of(2).name = "uplink";
    of(2).is_up = false;
    look();
    EXPECT_EQ(problem().condition, shm::PortCondition::kAdminDown);
    EXPECT_THAT(problem().sentence, HasSubstr("`ip link set uplink up`"));
}

TEST_F(PortInterfacesTest, AVlanStaysOnItsParentWhateverThatIsCalled) {
    config_.vlan = 7;
    add(5, "eth0.7");
    of(5).parent_index = 2;
    of(5).vlan = 7;
    EXPECT_TRUE(look());
    EXPECT_EQ(facing(), 5);
    of(2).name = "uplink";
    EXPECT_FALSE(look());
    EXPECT_EQ(facing(), 5);
    of(5).is_up = false;
    look();
    EXPECT_THAT(problem().sentence, HasSubstr("`ip link set eth0.7 up`"));
    EXPECT_FALSE(problem().condition) << "of the VLAN's interface the engine knows nothing";
    remove(5);
    EXPECT_TRUE(look());
    EXPECT_THAT(problem().sentence, HasSubstr("`ip link add link uplink name uplink.7 type vlan"));
    of(2).is_up = false;
    look();
    EXPECT_EQ(problem().condition, shm::PortCondition::kAdminDown);
}

}  // namespace
}  // namespace fairlead::neighbor
