// Backends keep index and incarnation, and so their flows, when `tables` gets another layout.
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tests/unit/ctl/publish/publisher_fixture.h"

namespace fairlead::publish {
namespace {

class IdentitiesTest : public PublisherTest {
  protected:
    using Places = std::map<std::string, std::pair<BackendIndex, std::uint32_t>>;

    // Index and incarnation of the backends that are published.
    Places places(const DesiredTables& tables) {
        Places found;
        for (const DesiredBackend& backend : tables.services[0].backends) {
            const auto placement = publisher_->placement("portal", backend.name, backend.address);
            EXPECT_TRUE(placement) << backend.name;
            if (placement) {
                found[backend.name] = {placement->index,
                                       word(to_number(placement->index)).incarnation()};
            }
        }
        return found;
    }
    // The next daemon, of another layout than the last one.
    Publisher& upgrade() {
        publisher_.reset();
        segments_.clear();
        make_layout_another();
        return start();
    }
};

TEST_F(IdentitiesTest, OutliveALayout) {
    DesiredTables tables = make_tables(5);
    ASSERT_TRUE(start().publish(tables));
    // An index that nobody has any more.
    tables.services[0].backends.erase(tables.services[0].backends.begin() + 1);
    ASSERT_TRUE(publisher_->publish(tables));
    ASSERT_TRUE(publisher_->publish(tables)) << "now it is taken back";
    const Places before = places(tables);
    const ServiceId service = *publisher_->service_id("portal");

    Publisher& next = upgrade();
    EXPECT_EQ(next.generation(), 0U) << "a new file";
    EXPECT_EQ(next.known().backends.size(), 4U);
    // Another order in the file, and a new one before all others.
    std::swap(tables.services[0].backends[0], tables.services[0].backends[3]);
    DesiredTables more = tables;
    more.services[0].backends.insert(more.services[0].backends.begin(), make_backend(9));
    ASSERT_TRUE(next.publish(more));
    EXPECT_EQ(places(tables), before);
    EXPECT_EQ(next.service_id("portal"), service);
    EXPECT_FALSE(std::filesystem::exists(directory_.path() + "/tables.old"));
}

TEST_F(IdentitiesTest, OfWhatIsNoLongerThereMeanNobodyElse) {
    DesiredTables tables = make_tables(3);
    ASSERT_TRUE(start().publish(tables));
    const Places before = places(tables);

    Publisher& next = upgrade();
    tables.services[0].backends.pop_back();
    tables.services[0].backends.push_back(make_backend(9));
    ASSERT_TRUE(next.publish(tables));
    const auto [index, incarnation] = before.at("app-3");
    EXPECT_NE(next.placement("portal", "app-9", make_backend(9).address)->index, index);
    ASSERT_TRUE(next.publish(tables)) << "nobody follows it, so it is taken back";
    EXPECT_FALSE(word(to_number(index)).has(shm::BackendWord::kPublished));
    EXPECT_EQ(word(to_number(index)).incarnation(), incarnation);
}

TEST_F(IdentitiesTest, OutliveADaemonThatDiesOverTheChange) {
    const DesiredTables tables = make_tables(3);
    ASSERT_TRUE(start().publish(tables));
    const Places before = places(tables);

    upgrade();  // dies before its first generation
    upgrade();  // the next layout's too
    ASSERT_TRUE(start().publish(tables));
    EXPECT_EQ(places(tables), before);

    // One that has set the old file aside and has made no new one.
    publisher_.reset();
    segments_.clear();
    make_layout_another();
    std::filesystem::rename(directory_.path() + "/tables", directory_.path() + "/tables.old");
    ASSERT_TRUE(start().publish(tables));
    EXPECT_EQ(places(tables), before);
}

TEST_F(IdentitiesTest, OfAFileThatMakesNoSenseAreNotBelieved) {
    const DesiredTables tables = make_tables(3);
    ASSERT_TRUE(start().publish(tables));
    publisher_.reset();
    segments_.clear();
    const std::string path = directory_.path() + "/tables";
    for (const std::uint64_t offset :
         {std::uint64_t{0}, std::uint64_t{1} << 40U, ~std::uint64_t{0}}) {
        {
            shm::Segment file = shm::Segment::open_writer(shm::kTables, directory_.path()).value();
            auto& header = file.header<shm::TablesHeader>();
            header.segment.fingerprint ^= 1U;
            header.backends = 0xFFFF'FFFF;
            header.backends_offset = offset;
        }
        EXPECT_TRUE(start().publish(tables));
        publisher_.reset();
    }
    std::filesystem::resize_file(path, 100);
    EXPECT_TRUE(start().publish(tables));
    publisher_.reset();
    std::ofstream(path) << std::string(4096, 'x');
    EXPECT_TRUE(start().publish(tables));
}

TEST_F(IdentitiesTest, ThatAreLostWithTheirFileBeginElsewhere) {
    const DesiredTables tables = make_tables(64);
    ASSERT_TRUE(start().publish(tables));
    const Places before = places(tables);
    publisher_.reset();
    segments_.clear();
    std::filesystem::remove(directory_.path() + "/tables");
    ASSERT_TRUE(start().publish(tables));
    int same = 0;
    for (const auto& [name, place] : places(tables)) {
        same += before.at(name) == place ? 1 : 0;
    }
    EXPECT_LT(same, 16) << "one in 64 is expected";
}

}  // namespace
}  // namespace fairlead::publish
