#include "ctl/cli/json_read.h"

#include <gtest/gtest.h>

namespace fairlead::cli {
namespace {

using nlohmann::json;

TEST(JsonRead, AFieldOfAnotherTypeIsEmptyAndNoException) {
    const json value = json::parse(
        R"({"text": "a", "count": 3, "real": 1.5, "negative": -4, "yes": true, "null": null,
            "object": {"a": 1}, "array": [1]})");
    EXPECT_EQ(text(value, "text"), "a");
    EXPECT_EQ(text(value, "count"), "");
    EXPECT_EQ(text(value, "missing"), "");
    EXPECT_EQ(text(value, "null"), "");
    EXPECT_EQ(number(value, "count"), 3U);
    EXPECT_EQ(number(value, "real"), 1U);
    EXPECT_EQ(number(value, "negative"), 0U);
    EXPECT_EQ(number(value, "text"), 0U);
    EXPECT_EQ(real(value, "real"), 1.5);
    EXPECT_EQ(real(value, "text"), 0.0);
    EXPECT_TRUE(flag(value, "yes"));
    EXPECT_FALSE(flag(value, "count"));
    EXPECT_EQ(object(value, "object").size(), 1U);
    EXPECT_TRUE(object(value, "array").empty());
    EXPECT_EQ(array(value, "array").size(), 1U);
    EXPECT_TRUE(array(value, "object").empty());
    EXPECT_TRUE(field(json(3), "a").is_null());
}

TEST(JsonRead, WhatIsNotUtf8IsWrittenAsAReplacementCharacter) {
    EXPECT_EQ(json_text({{"reason", "caf\xE9"}}, -1), "{\"reason\":\"caf\xEF\xBF\xBD\"}");
}

}  // namespace
}  // namespace fairlead::cli
