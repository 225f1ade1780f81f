#include "conf/schema/unreadable.h"

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

TEST(Unreadable, AllowsAsManyPartsAsItSays) {
    EXPECT_FALSE(find_unreadable(parts(kMaxKeyParts) + " = 1\n"));
    EXPECT_TRUE(find_unreadable(parts(kMaxKeyParts + 1) + " = 1\n"));
    EXPECT_FALSE(find_unreadable(fmt::format("[{}]\n", parts(kMaxKeyParts))));
    EXPECT_TRUE(find_unreadable(fmt::format("[{}]\n", parts(kMaxKeyParts + 1))));
}

TEST(Unreadable, TellsWhereTheKeyIs) {
    const auto place = find_unreadable("x = 1\n\n  " + parts(100) + " = 1\n");
    ASSERT_TRUE(place);
    EXPECT_EQ(place->place.line, 3U);
    EXPECT_EQ(place->place.column, 2U + 2 * kMaxKeyParts);
}

TEST(Unreadable, PassesDotsInStringsAndComments) {
    const std::string dots(100, '.');
    EXPECT_FALSE(find_unreadable("# " + dots + "\na = 1\n"));
    EXPECT_FALSE(find_unreadable("a = \"" + dots + "\"\n"));
    EXPECT_FALSE(find_unreadable("a = \"\\\"" + dots + "\"\n"));
    EXPECT_FALSE(find_unreadable("a = '" + dots + "\\'\n"));
    EXPECT_FALSE(find_unreadable("a = \"\"\"\n" + dots + "\"\" \\\"\"\" " + dots + "\"\"\"\n"));
    EXPECT_FALSE(find_unreadable("a = '''\n" + dots + "'' # " + dots + "'''''\n"));
    EXPECT_FALSE(find_unreadable("\"" + dots + "\" = 1\n"));
}

TEST(Unreadable, SeesKeysBehindStringsAndComments) {
    const std::string deep = parts(100) + " = 1\n";
    EXPECT_TRUE(find_unreadable("# \"\n" + deep));
    EXPECT_TRUE(find_unreadable("a = \"#\"\n" + deep));
    EXPECT_TRUE(find_unreadable("a = \"\"\n" + deep));
    EXPECT_TRUE(find_unreadable("a = \"\\\\\"\n" + deep));
    EXPECT_TRUE(find_unreadable("a = '\\'\n" + deep));
    EXPECT_TRUE(find_unreadable("a = \"\"\"x\"\"\"\"\"\n" + deep));
    EXPECT_TRUE(find_unreadable("a = '''x'''''\n" + deep));
    EXPECT_TRUE(find_unreadable("a = { " + deep));
    EXPECT_TRUE(find_unreadable("a = \"unfinished\n" + deep));
}

TEST(Unreadable, ACharacterBeyondAsciiStandsInStringsAndCommentsOnly) {
    EXPECT_FALSE(find_unreadable("# Grüße\na = \"ä\" # é\n'ö' = 'ü\\'\n"));
    EXPECT_FALSE(find_unreadable("\xEF\xBB\xBF a = 1\n"));
    EXPECT_FALSE(find_unreadable("a = \"\"\"\nÄ \\\n x\"\"\"\n"));
    EXPECT_FALSE(find_unreadable("a = \"\\\"ä\"\n"));
    for (const char* text : {"größe = 1\n",
                             "é",
                             "a = ½\n",
                             "a = 1 \xC2\xA0\n",
                             "[ä]\n",
                             "a.ü = 1\n",
                             "a = \"\"\"\\\n é\"\"\"\n",
                             "a = \"\"\"\\é\"\"\"\n"}) {
        EXPECT_TRUE(find_unreadable(text)) << text;
    }
    const auto errors = errors_of("[node]\nname = größe\n");
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0], "2:10 a character that may stand in quotation marks and comments only");
}

// Each of these ended in a stack overflow, or could, without the bound.
TEST(Unreadable, BombsAreOneErrorAndNoCrash) {
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

TEST(Unreadable, TheDeepestThatPassesIsParsedAndRefusedByTheSchema) {
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
