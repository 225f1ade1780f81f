#include "conf/schema/suggest.h"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace fairlead::conf {
namespace {

TEST(Suggest, CountsInsertionsDeletionsReplacementsAndSwaps) {
    EXPECT_EQ(edit_distance("weight", "weight"), 0U);
    EXPECT_EQ(edit_distance("weihgt", "weight"), 1U);
    EXPECT_EQ(edit_distance("wieght", "weight"), 1U);
    EXPECT_EQ(edit_distance("weigh", "weight"), 1U);
    EXPECT_EQ(edit_distance("weights", "weight"), 1U);
    EXPECT_EQ(edit_distance("height", "weight"), 1U);
    EXPECT_EQ(edit_distance("", "vip"), 3U);
    EXPECT_EQ(edit_distance("vip", ""), 3U);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
    EXPECT_EQ(edit_distance("ca", "abc"), 3U);
}

constexpr std::array<std::string_view, 4> kWords{"name", "address", "weight", "mac"};

TEST(Suggest, NamesTheNearestWord) {
    EXPECT_EQ(nearest("weihgt", kWords), "weight");
    EXPECT_EQ(nearest("adress", kWords), "address");
    EXPECT_EQ(nearest("nmae", kWords), "name");
    EXPECT_EQ(nearest("macs", kWords), "mac");
}

TEST(Suggest, IsSilentWhenNothingIsNear) {
    EXPECT_EQ(nearest("labels", kWords), "");
    EXPECT_EQ(nearest("x", kWords), "");
    EXPECT_EQ(nearest("", kWords), "");
    EXPECT_EQ(nearest(std::string(100'000, 'n'), kWords), "");
}

}  // namespace
}  // namespace fairlead::conf
