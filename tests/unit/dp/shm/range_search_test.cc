// Which service takes a port: exactly, by a range, or any.
#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "dp/shm/snapshot.h"
#include "tests/support/tables_image.h"

namespace fairlead::shm {
namespace {

using testing::ServiceKey;
using testing::TablesImage;

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
const IpAddress kVip = *IpAddress::parse("203.0.113.10");
const IpAddress kOtherVip = *IpAddress::parse("203.0.113.11");
const IpAddress kVip6 = *IpAddress::parse("2001:db8::10");

// Services with these keys, numbered in this order.
TablesImage image_with(const std::vector<ServiceKey>& keys, std::uint32_t ranges = 8) {
    TablesImage image({.backends = 8, .buckets = 128, .ring_entries = 7, .ranges = ranges});
    std::uint32_t id = 0;
    for (const ServiceKey& key : keys) {
        image.add_service(key, ForwardingMode::kL2, ServiceId{id++}, 0, {});
    }
    image.publish(1);
    return image;
}

constexpr int kNone = -1;

int find(TablesImage& image, const IpAddress& vip, std::uint16_t port, std::uint8_t protocol) {
    const ServiceRecord* const found =
        image.reader().snapshot().find_service(vip, Be16::from_host(port), protocol);
    return found == nullptr ? kNone : static_cast<int>(to_number(found->id));
}

TEST(RangeSearch, TheMostExactServiceGetsThePort) {
    TablesImage image = image_with({
        {kVip, 0, kTcp},
        {kVip, 8'000, kTcp, 8'100},
        {kVip, 8'050, kTcp},
        {kVip, 8'000, kTcp},
        {kVip, 8'101, kTcp, 8'101 + 99},
    });
    EXPECT_EQ(find(image, kVip, 8'000, kTcp), 3);
    EXPECT_EQ(find(image, kVip, 8'001, kTcp), 1);
    EXPECT_EQ(find(image, kVip, 8'050, kTcp), 2);
    EXPECT_EQ(find(image, kVip, 8'100, kTcp), 1);
    EXPECT_EQ(find(image, kVip, 8'101, kTcp), 4);
    EXPECT_EQ(find(image, kVip, 8'200, kTcp), 4);
    EXPECT_EQ(find(image, kVip, 8'201, kTcp), 0);
    EXPECT_EQ(find(image, kVip, 7'999, kTcp), 0);
    EXPECT_EQ(find(image, kVip, 0, kTcp), 0);
    EXPECT_EQ(find(image, kVip, 65'535, kTcp), 0);
    EXPECT_EQ(find(image, kVip, 8'001, kUdp), kNone);
    EXPECT_EQ(find(image, kOtherVip, 8'001, kTcp), kNone);
}

TEST(RangeSearch, VipsAndProtocolsHaveRangesOfTheirOwn) {
    TablesImage image = image_with({
        {kVip6, 1, kUdp, 65'535},
        {kOtherVip, 100, kTcp, 200},
        {kVip, 150, kTcp, 250},
        {kVip, 100, kUdp, 200},
    });
    EXPECT_EQ(find(image, kVip, 100, kTcp), kNone);
    EXPECT_EQ(find(image, kVip, 250, kTcp), 2);
    EXPECT_EQ(find(image, kVip, 150, kUdp), 3);
    EXPECT_EQ(find(image, kVip, 250, kUdp), kNone);
    EXPECT_EQ(find(image, kOtherVip, 100, kTcp), 1);
    EXPECT_EQ(find(image, kOtherVip, 100, kUdp), kNone);
    EXPECT_EQ(find(image, kVip6, 1, kUdp), 0);
    EXPECT_EQ(find(image, kVip6, 65'535, kUdp), 0);
    EXPECT_EQ(find(image, kVip6, 0, kUdp), kNone);
    EXPECT_EQ(find(image, kVip6, 1, kTcp), kNone);
}

TEST(RangeSearch, FindsWhatLookingAtEachRangeFinds) {
    std::mt19937 random(3);
    const auto below = [&random](std::uint32_t limit) {
        return static_cast<std::uint32_t>(random() % limit);
    };
    for (int round = 0; round < 50; ++round) {
        std::vector<ServiceKey> keys;
        for (const std::uint8_t protocol : {kTcp, kUdp}) {
            std::uint32_t port = 1;
            for (std::uint32_t i = below(12); i > 0; --i) {
                const std::uint32_t first = port + below(3'000);
                const std::uint32_t last = first + 1 + below(2'000);
                keys.push_back({kVip,
                                static_cast<std::uint16_t>(first),
                                protocol,
                                static_cast<std::uint16_t>(last)});
                port = last + 1;
            }
        }
        std::shuffle(keys.begin(), keys.end(), random);
        TablesImage image = image_with(keys, 32);
        const TablesReader tables = image.reader();
        const Snapshot snapshot = tables.snapshot();
        for (std::uint32_t port = 0; port <= 0xFFFFU; port += 1 + below(40)) {
            for (const std::uint8_t protocol : {kTcp, kUdp}) {
                const auto plain =
                    std::find_if(keys.begin(), keys.end(), [&](const ServiceKey& key) {
                        return key.protocol == protocol && key.port <= port &&
                               port <= key.last_port;
                    });
                const ServiceRecord* const found = snapshot.find_service(
                    kVip, Be16::from_host(static_cast<std::uint16_t>(port)), protocol);
                ASSERT_EQ(found != nullptr, plain != keys.end()) << port;
                if (found != nullptr) {
                    ASSERT_EQ(to_number(found->id),
                              static_cast<std::uint32_t>(plain - keys.begin()));
                }
            }
        }
    }
}

TEST(RangeSearch, ReadsNothingBeyondTheRangesWhateverAMarkSays) {
    TablesImage image = image_with({{kVip, 8'000, kTcp, 8'100}, {kVip, 0, kUdp}}, 2);
    ServiceRecord& mark = image.vip_mark(kVip);
    const ServiceRecord whole = mark;
    const auto take = [&](std::uint32_t first, std::uint16_t count) {
        mark.range_first = first;
        mark.range_count = count;
        return find(image, kVip, 8'050, kTcp);
    };
    EXPECT_EQ(take(whole.range_first, whole.range_count), 0);
    EXPECT_EQ(take(0, 2), kNone) << "beyond what is in use";
    EXPECT_EQ(take(1, 1), kNone);
    EXPECT_EQ(take(0xFFFF'FFFFU, 1), kNone);
    EXPECT_EQ(take(0xFFFF'FFFFU, 0xFFFFU), kNone);
    EXPECT_EQ(take(0, 0), kNone);
    EXPECT_EQ(find(image, kVip, 8'050, kUdp), 1) << "any port needs no range";
    mark = whole;
    image.snapshot().range_count = 0xFFFF'FFFFU;
    EXPECT_EQ(image.reader().snapshot().range_count, 2U) << "the capacity";
    EXPECT_EQ(find(image, kVip, 8'050, kTcp), 0);
    EXPECT_EQ(take(0, 2), kNone) << "an empty record among them, out of order: lost, and no more";
    EXPECT_EQ(take(0, 3), kNone);
}

TEST(RangeSearch, ARecordOfAnotherVipIsNotTaken) {
    TablesImage image = image_with({{kVip, 8'000, kTcp, 8'100}, {kOtherVip, 8'000, kTcp, 8'100}});
    image.vip_mark(kVip).range_first = image.vip_mark(kOtherVip).range_first;
    EXPECT_EQ(find(image, kVip, 8'050, kTcp), kNone);
    EXPECT_EQ(find(image, kOtherVip, 8'050, kTcp), 1);
}

}  // namespace
}  // namespace fairlead::shm
