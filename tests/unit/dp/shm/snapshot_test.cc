#include "dp/shm/snapshot.h"

#include <array>
#include <cstdint>
#include <functional>
#include <limits>

#include <gtest/gtest.h>

#include "tests/support/tables_image.h"

namespace fairlead::shm {
namespace {

using testing::TablesImage;
using testing::TablesShape;

constexpr TablesShape kShape{.backends = 64, .buckets = 64, .rings = 8, .ring_entries = 251};
const testing::ServiceKey kKey{*IpAddress::parse("203.0.113.10"), 443, 6};

TablesImage image_with_service() {
    TablesImage image(kShape);
    std::array<std::uint16_t, 251> ring{};
    ring.fill(7);
    image.add_service(kKey, ForwardingMode::kL2, ServiceId{3}, 2, ring);
    image.publish(1);
    return image;
}

const ServiceRecord* find_service(const TablesReader& tables) {
    const Snapshot snapshot = tables.snapshot();
    return snapshot.is_empty() ? nullptr
                               : snapshot.find(kKey.vip, Be16::from_host(kKey.port), kKey.protocol);
}

TEST(TablesReader, FindsAServiceAndItsRing) {
    TablesImage image = image_with_service();
    const TablesReader tables = image.reader();
    const ServiceRecord* const service = find_service(tables);
    ASSERT_NE(service, nullptr);
    EXPECT_EQ(service->id, ServiceId{3});
    ASSERT_EQ(tables.ring(*service).size(), 251U);
    EXPECT_EQ(tables.ring(*service)[250], 7U);
    EXPECT_EQ(tables.backend(BackendIndex{63}), &image.backend(BackendIndex{63}));
    EXPECT_EQ(tables.backend(BackendIndex{64}), nullptr);
    EXPECT_EQ(tables.backend(kNoBackendIndex), nullptr);
}

TEST(TablesReader, RefusesEveryHeaderThatReachesBeyondTheSegment) {
    constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max() - 63;
    const std::array<std::function<void(TablesHeader&)>, 14> breakages{
        [](TablesHeader& header) { header.backends_offset = kHuge; },
        [](TablesHeader& header) { header.backends_offset += 8; },
        [](TablesHeader& header) { header.snapshots_offset = kHuge; },
        [](TablesHeader& header) { header.rings_offset = kHuge; },
        [](TablesHeader& header) { header.rings_offset += 2; },
        [](TablesHeader& header) { header.snapshots = 0xFFFF'FFFFU; },
        [](TablesHeader& header) { header.snapshots = 0; },
        [](TablesHeader& header) { header.rings = 0xFFFF'FFFFU; },
        [](TablesHeader& header) { header.buckets = 0xFFFF'FFFFU; },
        [](TablesHeader& header) { header.ranges = 0xFFFF'FFFFU; },
        [](TablesHeader& header) { header.ring_entries = 0xFFFF'FFFFU; },
        [](TablesHeader& header) { header.snapshot_stride = 64; },
        [](TablesHeader& header) { header.ring_stride = 64; },
        [](TablesHeader& header) { header.ring_stride = 0; },
    };
    for (std::size_t i = 0; i < breakages.size(); ++i) {
        TablesImage image = image_with_service();
        breakages[i](image.header());
        EXPECT_FALSE(TablesReader::map(image.bytes())) << "breakage " << i;
    }
    TablesImage image = image_with_service();
    EXPECT_TRUE(TablesReader::map(image.bytes()));
    for (std::size_t length = 0; length < image.bytes().size(); length += 64) {
        EXPECT_FALSE(TablesReader::map(image.bytes().first(length))) << length;
    }
}

TEST(TablesReader, HandsOutNothingThatAScribbledIndexNames) {
    TablesImage image = image_with_service();
    const TablesReader tables = image.reader();
    ServiceRecord service = *find_service(tables);
    service.ring = kShape.rings;
    EXPECT_TRUE(tables.ring(service).empty());
    service.ring = 0xFFFF'FFFFU;
    EXPECT_TRUE(tables.ring(service).empty());
    service.ring = 2;
    service.ring_entries = kShape.ring_entries + 1;
    EXPECT_TRUE(tables.ring(service).empty());

    image.snapshot().bucket_mask = kShape.buckets;  // beyond the capacity
    EXPECT_TRUE(tables.snapshot().is_empty());
    image.snapshot().bucket_mask = 5;  // not a power of two less one
    EXPECT_TRUE(tables.snapshot().is_empty());
    image.snapshot().bucket_mask = 0xFFFF'FFFFU;
    EXPECT_TRUE(tables.snapshot().is_empty());
    image.snapshot().bucket_mask = kShape.buckets - 1;
    image.snapshot().port_count = 0xFFFF'FFFFU;
    EXPECT_EQ(tables.snapshot().port_count, kMaxPorts);
    image.header().root.store(77);
    EXPECT_TRUE(tables.snapshot().is_empty());
}

TEST(TablesReader, CapacitiesAreThoseOfTheMomentOfMapping) {
    TablesImage image = image_with_service();
    const TablesReader tables = image.reader();
    image.header().backends = 0xFFFF'FFFFU;
    image.header().rings = 0xFFFF'FFFFU;
    image.header().rings_offset = 0;
    EXPECT_EQ(tables.backend(BackendIndex{64}), nullptr);
    EXPECT_EQ(tables.ring(*find_service(tables))[0], 7U);
}

TEST(Snapshot, TheSearchEndsInATableWithoutAFreeBucket) {
    TablesImage image = image_with_service();
    const TablesReader tables = image.reader();
    const Snapshot snapshot = tables.snapshot();
    ServiceRecord& one =
        image.add_service({kKey.vip, 1, 17}, ForwardingMode::kL2, ServiceId{4}, 3, {});
    const ServiceRecord filler = one;
    auto* const buckets =
        const_cast<ServiceRecord*>(snapshot.buckets);  // NOLINT(*-const-cast): a scribbler's view
    std::fill(buckets, buckets + kShape.buckets, filler);
    EXPECT_EQ(snapshot.find(kKey.vip, Be16::from_host(443), 6), nullptr);
}

TEST(BackendWord, GivesBackWhatWasPutIn) {
    const MacAddress mac = *MacAddress::parse("02:fe:dc:ba:98:76");
    const BackendWord word = BackendWord::make(
        mac, PortIndex{15}, 63, BackendWord::kPublished | BackendWord::kAdmitsNew);
    EXPECT_EQ(word.mac(), mac);
    EXPECT_EQ(word.port(), PortIndex{15});
    EXPECT_EQ(word.incarnation(), 63U);
    EXPECT_TRUE(word.has(BackendWord::kPublished) && word.has(BackendWord::kAdmitsNew));
    EXPECT_FALSE(word.has(BackendWord::kLinked) || word.has(BackendWord::kKeepsFlows));
    EXPECT_TRUE(word.has_all(BackendWord::kPublished | BackendWord::kAdmitsNew, 63));
    EXPECT_TRUE(word.has_all(BackendWord::kPublished, 63));
    EXPECT_FALSE(word.has_all(BackendWord::kPublished, 62));
    EXPECT_FALSE(word.has_all(BackendWord::kPublished | BackendWord::kLinked, 63));
    EXPECT_EQ(BackendWord::make(mac, PortIndex{0}, 64, 0).incarnation(), 0U) << "it wraps";
}

}  // namespace
}  // namespace fairlead::shm
