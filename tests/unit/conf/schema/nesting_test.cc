#include "conf/schema/nesting.h"

#include <string>

#include <fmt/format.h>

#include <gtest/gtest.h>

#include "tests/unit/conf/schema/config_text.h"

namespace fairlead::conf {
namespace {

[[nodiscard]] std::string parts(std::size_t count) {
    std::string key = "a";
    for (std::size_t i = 1; i < count; ++i) {
        key += ".a";
    }
    return key;
}

TEST(Nesting, AllowsAsManyPartsAsItSays) {
    EXPECT_FALSE(find_too_deep_key(parts(kMaxKeyParts) + " = 1\n"));
    EXPECT_TRUE(find_too_deep_key(parts(kMaxKeyParts + 1) + " = 1\n"));
    EXPECT_FALSE(find_too_deep_key(fmt::format("[{}]\n", parts(kMaxKeyParts))));
    EXPECT_TRUE(find_too_deep_key(fmt::format("[{}]\n", parts(kMaxKeyParts + 1))));
}

TEST(Nesting, TellsWhereTheKeyIs) {
    const auto place = find_too_deep_key("x = 1\n\n  " + parts(100) + " = 1\n");
    ASSERT_TRUE(place);
    EXPECT_EQ(place->line, 3U);
    EXPECT_EQ(place->column, 2U + 2 * kMaxKeyParts);
}

TEST(Nesting, PassesDotsInStringsAndComments) {
    const std::string dots(100, '.');
    EXPECT_FALSE(find_too_deep_key("# " + dots + "\na = 1\n"));
    EXPECT_FALSE(find_too_deep_key("a = \"" + dots + "\"\n"));
    EXPECT_FALSE(find_too_deep_key("a = \"\\\"" + dots + "\"\n"));
    EXPECT_FALSE(find_too_deep_key("a = '" + dots + "\\'\n"));
    EXPECT_FALSE(find_too_deep_key("a = \"\"\"\n" + dots + "\"\" \\\"\"\" " + dots + "\"\"\"\n"));
    EXPECT_FALSE(find_too_deep_key("a = '''\n" + dots + "'' # " + dots + "'''''\n"));
    EXPECT_FALSE(find_too_deep_key("\"" + dots + "\" = 1\n"));
}

TEST(Nesting, SeesKeysBehindStringsAndComments) {
    const std::string deep = parts(100) + " = 1\n";
    EXPECT_TRUE(find_too_deep_key("# \"\n" + deep));
    EXPECT_TRUE(find_too_deep_key("a = \"#\"\n" + deep));
    EXPECT_TRUE(find_too_deep_key("a = \"\"\n" + deep));
    EXPECT_TRUE(find_too_deep_key("a = \"\\\\\"\n" + deep));
    EXPECT_TRUE(find_too_deep_key("a = '\\'\n" + deep));
    EXPECT_TRUE(find_too_deep_key("a = \"\"\"x\"\"\"\"\"\n" + deep));
    EXPECT_TRUE(find_too_deep_key("a = '''x'''''\n" + deep));
    EXPECT_TRUE(find_too_deep_key("a = { " + deep));
    EXPECT_TRUE(find_too_deep_key("a = \"unfinished\n" + deep));
}

// Each of these ended in a stack overflow, or could, without the bound.
TEST(Nesting, BombsAreOneErrorAndNoCrash) {
    constexpr std::size_t kMany = 1'000'000;
    const std::string brackets(kMany, '[');
    std::string tables;
    for (std::size_t i = 0; i < kMany; ++i) {
        tables += "{a=";
    }
    EXPECT_EQ(errors_of(parts(kMany) + " = 1\n").size(), 1U);
    EXPECT_EQ(errors_of(fmt::format("[{}]\n", parts(kMany))).size(), 1U);
    EXPECT_EQ(errors_of(fmt::format("[[{}]]\n", parts(kMany))).size(), 1U);
    EXPECT_EQ(errors_of(fmt::format("a = {}\n", brackets)).size(), 1U);
    EXPECT_EQ(errors_of(fmt::format("a = {}\n", tables)).size(), 1U);
}

TEST(Nesting, TheDeepestThatPassesIsParsedAndRefusedByTheSchema) {
    std::string text;
    constexpr int kLevels = 255;
    for (int i = 0; i < kLevels; ++i) {
        text += parts(kMaxKeyParts) + " = {";
    }
    text += "b = 1" + std::string(kLevels, '}') + "\n";
    const auto errors = errors_of(std::string(kHead) + text);
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0], "4:1 unknown table \"a\"");
}

}  // namespace
}  // namespace fairlead::conf
