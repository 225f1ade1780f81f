#include "dp/engine/vip_mirror.h"

#include <array>
#include <cstring>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/packets.h"
#include "tests/support/tables_image.h"

namespace fairlead::engine {
namespace {

using fairlead::testing::address;
using fairlead::testing::TablesImage;

std::set<std::string> as_text(const std::vector<steer_address>& vips) {
    std::set<std::string> texts;
    for (const steer_address& vip : vips) {
        std::array<std::uint8_t, 16> bytes{};
        std::memcpy(bytes.data(), vip.bytes, bytes.size());
        texts.insert(IpAddress::from_v6(bytes).text().data());
    }
    return texts;
}

TEST(VipMirror, SeesEachVipOnceHoweverManyServicesItHas) {
    TablesImage image({});
    const std::array<std::uint16_t, 1> ring{0};
    using shm::ForwardingMode;
    image.add_service(
        {address("203.0.113.10"), 443, 6}, ForwardingMode::kL2, ServiceId{0}, 0, ring);
    image.add_service({address("203.0.113.10"), 80, 6}, ForwardingMode::kL2, ServiceId{1}, 1, ring);
    image.add_service(
        {address("2001:db8::10"), 53, 17}, ForwardingMode::kL2, ServiceId{2}, 2, ring);
    image.publish(1);
    const std::vector<steer_address> vips = vips_of(image.reader().snapshot());
    EXPECT_EQ(vips.size(), 2);
    EXPECT_EQ(as_text(vips), (std::set<std::string>{"203.0.113.10", "2001:db8::10"}));
}

TEST(VipMirror, SeesNoneInAnEmptySnapshot) {
    EXPECT_TRUE(vips_of({}).empty());
}

}  // namespace
}  // namespace fairlead::engine
