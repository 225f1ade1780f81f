// Allow and deny lists through the publisher: in force with the generation that names them, built
// only when they have changed, and never written where a worker may still read.
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ctl/publish/publisher.h"
#include "dp/shm/segment.h"
#include "dp/shm/snapshot.h"
#include "tests/unit/ctl/publish/publish_fixture.h"

namespace fairlead::publish {
namespace {

IpAddress address(const char* text) {
    return *IpAddress::parse(text);
}

prefix::PrefixList list_of(const char* text, unsigned length) {
    return std::make_shared<const std::vector<IpPrefix>>(
        std::vector{prefix_around(address(text), length)});
}

class PublisherPrefixTest : public testing::Test {
  protected:
    void start() {
        publisher_.reset();
        auto opened = Publisher::open(directory_.path(), "test", worker_, counters_);
        ASSERT_TRUE(opened) << opened.error().message;
        publisher_ = std::move(opened).value();
    }
    std::uint64_t publish() {
        const auto generation = publisher_->publish(tables_);
        EXPECT_TRUE(generation) << generation.error().message;
        return generation ? generation->generation : 0;
    }
    void deny(std::size_t service, const char* text, unsigned length) {
        tables_.services[service].sources = {nullptr, list_of(text, length)};
    }
    // What an engine's worker takes hold of, and goes on using.
    shm::Snapshot snapshot() {
        segments_.push_back(shm::Segment::open_read_only(shm::kTables, directory_.path()).value());
        readers_.push_back(*shm::TablesReader::map(segments_.back().bytes()));
        return readers_.back().snapshot();
    }
    bool is_denied(const shm::Snapshot& snapshot, std::size_t service, const char* source) const {
        const DesiredService& one = tables_.services[service];
        const auto* record = snapshot.find(one.vip, Be16::from_host(one.port), one.protocol);
        EXPECT_NE(record, nullptr);
        if (record->prefix_list == 0) {
            return false;
        }
        EXPECT_TRUE(snapshot.prefixes.has(record->prefix_list));
        return snapshot.prefixes.judge(record->prefix_list, address(source)).is_denied;
    }
    std::uint32_t slot_number() { return snapshot().header->prefix_table; }

    TemporaryDirectory directory_;
    OneWorker worker_;
    NoCounters counters_;
    DesiredTables tables_ = make_tables(1);
    std::unique_ptr<Publisher> publisher_;
    std::vector<shm::Segment> segments_;
    std::vector<shm::TablesReader> readers_;
};

TEST_F(PublisherPrefixTest, ListsAndRatesComeIntoForceAndGo) {
    start();
    publish();
    EXPECT_FALSE(snapshot().has_limits);
    deny(0, "198.51.100.0", 24);
    tables_.services[0].packets_per_second = 1'000;
    tables_.services[0].new_flows_per_second = 7;
    publish();
    const shm::Snapshot now = snapshot();
    EXPECT_TRUE(now.has_limits);
    EXPECT_TRUE(is_denied(now, 0, "198.51.100.9"));
    EXPECT_FALSE(is_denied(now, 0, "198.51.101.9"));
    EXPECT_EQ(publisher_->prefix_count(), 1U);
    const DesiredService& one = tables_.services[0];
    const auto* record = now.find(one.vip, Be16::from_host(one.port), one.protocol);
    EXPECT_EQ(record->packets_per_second, 1'000U);
    EXPECT_EQ(record->new_flows_per_second, 7U);
    tables_.services[0] = make_tables(1).services[0];
    publish();
    EXPECT_FALSE(snapshot().has_limits);
    EXPECT_EQ(slot_number(), 0U);
    EXPECT_EQ(publisher_->prefix_count(), 0U);
}

TEST_F(PublisherPrefixTest, EqualListsAreStoredOnce) {
    tables_.services.push_back(tables_.services[0]);
    tables_.services[1].name = "api";
    tables_.services[1].port = 444;
    tables_.services[1].backends.clear();
    deny(0, "198.51.100.0", 24);
    tables_.services[1].sources = tables_.services[0].sources;
    start();
    publish();
    EXPECT_EQ(publisher_->prefix_count(), 1U);
    EXPECT_TRUE(is_denied(snapshot(), 0, "198.51.100.9"));
    EXPECT_TRUE(is_denied(snapshot(), 1, "198.51.100.9"));
}

TEST_F(PublisherPrefixTest, NothingIsBuiltWhileTheListsStayAsTheyAre) {
    deny(0, "198.51.100.0", 24);
    start();
    const std::uint64_t first = publish();
    const std::uint32_t slot = slot_number();
    EXPECT_EQ(publish(), first);
    deny(0, "198.51.100.0", 24);  // equal, and another object: what a reload brings
    EXPECT_EQ(publish(), first);
    tables_.services[0].packets_per_second = 9;
    publish();
    EXPECT_EQ(slot_number(), slot);
    start();  // another daemon, which knows the lists by the file alone
    publish();
    EXPECT_EQ(slot_number(), slot);
    EXPECT_TRUE(is_denied(snapshot(), 0, "198.51.100.9"));
}

TEST_F(PublisherPrefixTest, AWorkerKeepsItsListsUntilItHasAcknowledged) {
    deny(0, "198.51.100.0", 24);
    start();
    worker_.acknowledged = publish();
    const shm::Snapshot held = snapshot();
    std::string refusal;
    int published = 0;
    for (int i = 0; i < 20 && refusal.empty(); ++i) {
        deny(0, ("203.0." + std::to_string(i) + ".0").c_str(), 24);
        const auto generation = publisher_->publish(tables_);
        refusal = generation ? "" : generation.error().message;
        published += generation ? 1 : 0;
        EXPECT_TRUE(is_denied(held, 0, "198.51.100.9"));
    }
    EXPECT_EQ(published, static_cast<int>(shm::kPrefixTables) - 1);
    EXPECT_NE(refusal.find("no free prefix table: worker 7"), std::string::npos) << refusal;
    EXPECT_FALSE(is_denied(snapshot(), 0, "198.51.100.9")) << "the last that was accepted stands";
    worker_.acknowledged = publisher_->generation();
    for (int i = 0; i < 20; ++i) {
        deny(0, ("192.0." + std::to_string(i) + ".0").c_str(), 24);
        worker_.acknowledged = publish();
    }
    EXPECT_TRUE(is_denied(snapshot(), 0, "192.0.19.1"));
}

TEST_F(PublisherPrefixTest, ARefusedChangeTakesNoSlot) {
    start();
    publish();
    for (int i = 0; i < 10; ++i) {
        deny(0, "198.51.100.0", 24);
        tables_.services[0].sources.allow = tables_.services[0].sources.deny;
        EXPECT_FALSE(publisher_->publish(tables_));
        tables_.services[0].sources.allow = nullptr;
        tables_.services[0].name = std::string(200, 'x');
        EXPECT_FALSE(publisher_->publish(tables_));
        tables_.services[0].name = "portal";
    }
    publish();
    EXPECT_TRUE(is_denied(snapshot(), 0, "198.51.100.9"));
}

TEST_F(PublisherPrefixTest, TheNextDaemonReusesNothingThatIsInForce) {
    for (int turn = 0; turn < 10; ++turn) {
        const std::string network = "198.51." + std::to_string(turn) + ".0";
        start();
        const bool has_former = turn > 0;
        const shm::Snapshot held = has_former ? snapshot() : shm::Snapshot{};
        deny(0, network.c_str(), 24);
        publish();
        EXPECT_TRUE(is_denied(snapshot(), 0, network.c_str()));
        if (has_former) {
            const std::string former = "198.51." + std::to_string(turn - 1) + ".7";
            EXPECT_TRUE(is_denied(held, 0, former.c_str()));
        }
    }
}

}  // namespace
}  // namespace fairlead::publish
