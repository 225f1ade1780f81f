#include "ctl/api/body.h"

#include <gtest/gtest.h>

namespace fairlead::api {
namespace {

TEST(Body, APatchTakesEitherFieldAndAReason) {
    const auto patch = read_patch(R"({"admin": "drain", "weight": 0, "reason": "why"})");
    ASSERT_TRUE(patch);
    EXPECT_EQ(patch->patch.admin, model::Admin::kDrain);
    EXPECT_EQ(patch->patch.weight, 0U);
    EXPECT_EQ(patch->reason, "why");
    EXPECT_FALSE(read_patch(R"({"weight": 256})")->patch.admin);
}

TEST(Body, AnAdditionNeedsNameAndAddress) {
    const auto addition = read_addition(R"({"name": "app-4", "address": "2001:db8::4"})");
    ASSERT_TRUE(addition);
    EXPECT_EQ(addition->name, "app-4");
    EXPECT_EQ(addition->address, *IpAddress::parse("2001:db8::4"));
    EXPECT_EQ(addition->weight, 1U);
}

TEST(Body, AReasonMayBeLeftOut) {
    EXPECT_EQ(*read_reason(""), "");
    EXPECT_EQ(*read_reason("{}"), "");
    EXPECT_EQ(*read_reason(R"({"reason": "old"})"), "old");
}

TEST(Body, EveryTruncationIsABadRequest) {
    const std::string whole = R"({"name": "app-4", "address": "10.0.4.4", "weight": 3})";
    ASSERT_TRUE(read_addition(whole));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto read = read_addition(whole.substr(0, size));
        ASSERT_FALSE(read) << size;
        EXPECT_EQ(read.error().code, model::RefusalCode::kBadRequest);
    }
}

TEST(Body, WhatIsWrongIsNamed) {
    EXPECT_EQ(read_patch(R"({"weight": 1e3})").error().message,
              "weight must be a whole number from 0 to 256, not 1000.0");
    EXPECT_EQ(read_patch(R"({"weihgt": 1})").error().message,
              "unknown key \"weihgt\"; there are admin, weight, reason");
    EXPECT_EQ(read_patch("5").error().message,
              "expected a JSON object with admin, weight, reason, not number");
}

}  // namespace
}  // namespace fairlead::api
