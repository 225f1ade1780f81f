#include "dp/engine/port_numbers.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace fairlead::engine {
namespace {

constexpr std::size_t kNone = PortNumbers::kNone;

class PortNumbersTest : public testing::Test {
  protected:
    // What tables are like whose ports have these names, by number.
    shm::Snapshot tables(const std::vector<std::string>& names) {
        *header_ = {};
        for (std::size_t number = 0; number < names.size(); ++number) {
            std::copy(
                names[number].begin(), names[number].end(), header_->port_names.at(number).begin());
        }
        shm::Snapshot snapshot;
        snapshot.header = header_.get();
        snapshot.port_count = static_cast<std::uint32_t>(names.size());
        return snapshot;
    }

    std::unique_ptr<shm::SnapshotHeader> header_ = std::make_unique<shm::SnapshotHeader>();
};

PortNumbers of(const std::vector<std::string>& names) {
    return PortNumbers(names);
}

TEST_F(PortNumbersTest, PortsAreFoundByNameInAnyOrder) {
    PortNumbers ports = of({"edge", "core", "spare"});
    ports.follow(tables({"spare", "edge", "core"}));
    EXPECT_EQ(ports.count(), 3);
    EXPECT_EQ(ports.own(PortIndex{0}), 2);
    EXPECT_EQ(ports.own(PortIndex{1}), 0);
    EXPECT_EQ(ports.own(PortIndex{2}), 1);
    EXPECT_EQ(ports.number(0), PortIndex{1});
    EXPECT_EQ(ports.number(2), PortIndex{0});
    ports.follow(tables({"edge", "core", "spare"}));
    EXPECT_EQ(ports.own(PortIndex{0}), 0);
}

TEST_F(PortNumbersTest, WhatWeDoNotHaveLeadsNowhere) {
    PortNumbers ports = of({"edge"});
    ports.follow(tables({"core", "", "edge"}));
    EXPECT_EQ(ports.own(PortIndex{0}), kNone);
    EXPECT_EQ(ports.own(PortIndex{1}), kNone);
    EXPECT_EQ(ports.own(PortIndex{2}), 0);
    EXPECT_EQ(ports.own(PortIndex{15}), kNone);
    EXPECT_EQ(ports.own(PortIndex{255}), kNone);
}

TEST_F(PortNumbersTest, APortThatTheTablesDoNotKnowHasANumberBehindTheirs) {
    PortNumbers ports = of({"edge", "late"});
    ports.follow(tables({"core", "edge"}));
    EXPECT_GE(to_number(ports.number(1)), shm::kMaxPorts);
    EXPECT_EQ(ports.own(ports.number(1)), 1) << "an answer leaves by the port that asked";
    EXPECT_EQ(ports.own(PortIndex{1}), 0);
}

TEST_F(PortNumbersTest, BeforeAnyTablesNoNumberOfTheirsLeadsAnywhere) {
    const PortNumbers ports = of({"edge"});
    for (std::uint8_t number = 0; number < shm::kMaxPorts; ++number) {
        EXPECT_EQ(ports.own(PortIndex{number}), kNone);
    }
}

TEST_F(PortNumbersTest, TwoOfOneNameAreTwoPorts) {
    PortNumbers ports = of({"edge", "edge"});
    ports.follow(tables({"edge", "edge"}));
    EXPECT_EQ(ports.own(PortIndex{0}), 0);
    EXPECT_EQ(ports.own(PortIndex{1}), 1);
}

}  // namespace
}  // namespace fairlead::engine
