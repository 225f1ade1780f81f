#include "ctl/neighbor/port_interfaces.h"

#include <algorithm>
#include <optional>
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
        interface.has_carrier = true;
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
        return ports_.problem(0, config_, engines()).value_or(PortProblem{});
    }

    [[nodiscard]] const EngineInterface* engines() const { return engine_ ? &*engine_ : nullptr; }

    conf::PortConfig config_;
    std::vector<Interface> interfaces_;
    std::optional<EngineInterface> engine_;  // nullopt: none runs
    PortInterfaces ports_{1};
};

TEST_F(PortInterfacesTest, ARenamedInterfaceIsKeptAndToldWithWhatMendsIt) {
    EXPECT_FALSE(ports_.problem(0, config_, engines()));
    of(2).name = "uplink";
    EXPECT_FALSE(look());
    EXPECT_EQ(facing(), 2);
    EXPECT_EQ(ports_.facing(0)->name, "uplink");
    EXPECT_THAT(problem().sentence, HasSubstr("port edge: the interface eth0 is called uplink"));
    EXPECT_THAT(problem().sentence, HasSubstr("`ip link property add dev uplink altname eth0`"));
    EXPECT_FALSE(problem().condition);
    of(2).alternative_names = {"eth0"};
    look();
    EXPECT_FALSE(ports_.problem(0, config_, engines())) << "the next start finds it";
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
    EXPECT_FALSE(ports_.problem(0, config_, engines()));
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

TEST_F(PortInterfacesTest, AnEngineOnAnotherInterfaceIsCriticalAndToldInsteadOfTheRename) {
    engine_ = {2, "eth0"};
    EXPECT_FALSE(ports_.problem(0, config_, engines()));
    engine_ = {5, "uplink"};
    EXPECT_TRUE(problem().is_critical);
    EXPECT_EQ(
        problem().sentence,
        "port edge: lbdp is on the interface uplink, and lbd on eth0, so nothing is forwarded "
        "by it: restart lbdp, or write interface = \"uplink\" in [[port]] and restart lbd");
    engine_ = {5, "eth0"};
    of(2).name = "uplink";
    look();
    EXPECT_THAT(problem().sentence, HasSubstr("lbdp is on the interface eth0, and lbd on uplink"));
    EXPECT_THAT(problem().sentence, HasSubstr("restart lbd, or write interface = \"uplink\""));
    engine_ = {0, "eth0"};
    EXPECT_FALSE(problem().is_critical) << "it is on none, and says so itself";
    EXPECT_THAT(problem().sentence, HasSubstr("and lbdp looks for eth0: `ip link property add"));
}

TEST_F(PortInterfacesTest, WhatTheEngineAloneHasKeptIsCriticalToo) {
    remove(2);
    look();
    engine_ = {2, "eth0"};
    EXPECT_FALSE(problem().is_critical) << "the engine has not seen yet that it has gone";
    engine_ = {2, "uplink"};
    EXPECT_TRUE(problem().is_critical);
    EXPECT_EQ(problem().sentence,
              "port edge: lbdp is on the interface uplink, and lbd finds none that is called eth0, "
              "so nothing is forwarded by it: `ip link property add dev uplink altname eth0`, or "
              "write interface = \"uplink\" in [[port]] and restart lbd");
}

TEST_F(PortInterfacesTest, ALinkWithoutCarrierIsToldWhereNoEngineDoes) {
    of(2).has_carrier = false;
    look();
    EXPECT_EQ(problem().condition, shm::PortCondition::kNoCarrier);
    EXPECT_THAT(problem().sentence, HasSubstr("interface eth0 has no carrier"));
    of(2).is_up = false;
    look();
    EXPECT_EQ(problem().condition, shm::PortCondition::kAdminDown) << "one cause, one sentence";
}

TEST_F(PortInterfacesTest, CommandsAreSafeToPasteWhateverAnInterfaceIsCalled) {
    of(2).name = "$(reboot)";
    look();
    EXPECT_THAT(problem().sentence, HasSubstr("property add dev '$(reboot)' altname eth0`"));
    of(2).is_up = false;
    look();
    EXPECT_THAT(problem().sentence, HasSubstr("`ip link set '$(reboot)' up`"));
}

TEST_F(PortInterfacesTest, TheNameThatIsProposedForAVlanHasRoom) {
    config_.vlan = 1007;
    of(2).name = "enp65s0f0np0";
    look();
    EXPECT_THAT(problem().sentence, HasSubstr("link enp65s0f0np0 name vlan1007 type"));
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
