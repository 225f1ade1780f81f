#include "ctl/publish/port_numbers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ctl/publish/publisher_fixture.h"

namespace fairlead::publish {
namespace {

using ::testing::ElementsAre;

std::vector<int> numbers(PortNumbers& ports, const std::vector<std::string_view>& names) {
    ports.follow(names);
    std::vector<int> result;
    for (std::size_t place = 0; place < names.size(); ++place) {
        result.push_back(to_number(ports.at(place)));
    }
    return result;
}

PortNumbers after(const std::vector<std::string_view>& predecessor) {
    std::vector<shm::Name> names(predecessor.size());
    for (std::size_t i = 0; i < predecessor.size(); ++i) {
        std::copy(predecessor[i].begin(), predecessor[i].end(), names[i].begin());
    }
    PortNumbers ports;
    ports.recover(names);
    return ports;
}

TEST(PortNumbersOfTables, AreTheOrderOfTheFileToBeginWith) {
    PortNumbers ports;
    EXPECT_THAT(numbers(ports, {"edge", "core"}), ElementsAre(0, 1));
    EXPECT_EQ(ports.count(), 2);
}

TEST(PortNumbersOfTables, StayWithTheNameInAnotherOrder) {
    PortNumbers ports = after({"edge", "core"});
    EXPECT_THAT(numbers(ports, {"core", "edge"}), ElementsAre(1, 0));
    EXPECT_THAT(numbers(ports, {"core", "edge"}), ElementsAre(1, 0));
}

TEST(PortNumbersOfTables, OfANewPortAreWhatNobodyHad) {
    PortNumbers ports = after({"edge", "core"});
    EXPECT_THAT(numbers(ports, {"late", "core"}), ElementsAre(2, 1));
    EXPECT_EQ(ports.count(), 3);
}

TEST(PortNumbersOfTables, AreUsedAgainWhereNoOtherIsLeft) {
    PortNumbers ports =
        after({"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"});
    EXPECT_THAT(numbers(ports, {"late", "b"}), ElementsAre(0, 1));
}

using PortNumbersInTables = PublisherTest;

TEST_F(PortNumbersInTables, ADaemonWithAnotherOrderKeepsTheMeaningOfTheLast) {
    DesiredTables tables;
    tables.ports.resize(2);
    tables.ports[0].name = "edge";
    tables.ports[0].mtu_bytes = 1'600;
    tables.ports[1].name = "core";
    ASSERT_TRUE(start().publish(tables));
    std::swap(tables.ports[0], tables.ports[1]);
    tables.ports.push_back(tables.ports[0]);
    tables.ports[2].name = "late";
    Publisher& next = start();
    ASSERT_TRUE(next.publish(tables));
    EXPECT_EQ(next.port_name(PortIndex{0}), "edge");
    EXPECT_EQ(next.port_name(PortIndex{1}), "core");
    EXPECT_EQ(next.port_name(PortIndex{2}), "late");
    EXPECT_EQ(next.port_name(PortIndex{3}), "");
    EXPECT_EQ(next.port_name(PortIndex{200}), "");
    const shm::TablesReader seen = reader();
    EXPECT_EQ(seen.snapshot().port_count, 3);
    EXPECT_EQ(seen.snapshot().header->ports[0].mtu_bytes, 1'600);
}

TEST_F(PortNumbersInTables, ABackendsWordNamesThePortByItsNumber) {
    DesiredTables tables;
    tables.ports.resize(2);
    tables.ports[0].name = "edge";
    tables.ports[1].name = "core";
    DesiredService service;
    service.name = "portal";
    service.vip = *IpAddress::parse("203.0.113.10");
    service.port = 80;
    service.protocol = 6;
    DesiredBackend backend;
    backend.name = "app-1";
    backend.address = *IpAddress::parse("10.0.0.1");
    backend.ring_weight = 1;
    backend.link = Link{.mac = {}, .port = PortIndex{1}};
    service.backends.push_back(backend);
    tables.services.push_back(service);
    ASSERT_TRUE(start().publish(tables));
    EXPECT_EQ(word(0).port(), PortIndex{1});
    std::swap(tables.ports[0], tables.ports[1]);
    tables.services[0].backends[0].link->port = PortIndex{0};  // core still
    const std::uint64_t generation = start().publish(tables).value().generation;
    EXPECT_EQ(word(0).port(), PortIndex{1});
    EXPECT_EQ(publisher_->publish(tables).value().generation, generation) << "nothing has changed";
}

TEST_F(PortNumbersInTables, ANameThatDoesNotFitIsRefused) {
    DesiredTables tables;
    tables.ports.resize(1);
    tables.ports[0].name = std::string(shm::kNameBytes, 'x');
    EXPECT_FALSE(start().publish(tables));
}

}  // namespace
}  // namespace fairlead::publish
