#include "dp/net/virtual_macs.h"

#include <gtest/gtest.h>

namespace fairlead {
namespace {

TEST(VirtualMacs, HoldEveryRouterOfBothFamiliesAndNothingElse) {
    for (unsigned family = 0; family < 256; ++family) {
        for (unsigned router = 0; router < 256; ++router) {
            const MacAddress mac{{0,
                                  0,
                                  0x5E,
                                  0,
                                  static_cast<std::uint8_t>(family),
                                  static_cast<std::uint8_t>(router)}};
            VirtualMacs set;
            EXPECT_FALSE(set.has(mac));
            set.add(mac);
            const bool is_one = (family == 1 || family == 2) && router != 0;
            EXPECT_EQ(set.has(mac), is_one) << mac.text().data();
            EXPECT_EQ(set == VirtualMacs{}, !is_one) << mac.text().data();
        }
    }
    for (std::size_t byte = 0; byte < 4; ++byte) {
        MacAddress mac{{0, 0, 0x5E, 0, 1, 51}};
        mac.bytes.at(byte) ^= 1;
        EXPECT_FALSE(VirtualMacs::number_of(mac)) << byte;
    }
}

TEST(VirtualMacs, KeepRoutersApart) {
    VirtualMacs set;
    for (unsigned number = 0; number < VirtualMacs::kCount; number += 3) {
        set.add(VirtualMacs::mac_of(number));
    }
    for (unsigned number = 0; number < VirtualMacs::kCount; ++number) {
        const MacAddress mac = VirtualMacs::mac_of(number);
        const bool is_router = number % 256 != 0;
        EXPECT_EQ(set.has(mac), is_router && number % 3 == 0) << number;
        EXPECT_EQ(VirtualMacs::number_of(mac),
                  is_router ? std::optional(number) : std::optional<unsigned>());
    }
}

TEST(VirtualMacs, WhateverTheBitsAreHoldTheTwoRangesAlone) {
    VirtualMacs all;
    all.words.fill(~std::uint64_t{0});
    EXPECT_TRUE(all.has({{0, 0, 0x5E, 0, 2, 255}}));
    EXPECT_FALSE(all.has({{0, 0, 0x5E, 0, 2, 0}}));
    EXPECT_FALSE(all.has({{2, 0, 0, 0, 0, 1}}));
    EXPECT_FALSE(all.has({{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}}));
    EXPECT_FALSE(all.has({}));
}

}  // namespace
}  // namespace fairlead
