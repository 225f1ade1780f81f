#include <string>

#include <gtest/gtest.h>

#include "conf/schema/parse.h"

namespace fairlead::conf {
namespace {

TEST(Describe, ShowsTheLineAndACaretAsACompilerDoes) {
    const ConfigErrors errors{
        {.file = "fairlead.toml",
         .line = 41,
         .column = 3,
         .message = "unknown key \"weihgt\" in [[service.backend]]; did you mean \"weight\"?",
         .source_line = "  weihgt = 3"}};
    EXPECT_EQ(describe(errors),
              "fairlead.toml:41:3: error: unknown key \"weihgt\" in [[service.backend]]; did you "
              "mean \"weight\"?\n"
              "   41 |   weihgt = 3\n"
              "      |   ^\n");
}

TEST(Describe, KeepsTabsSoThatTheCaretLinesUp) {
    const ConfigErrors errors{
        {.file = "f", .line = 1, .column = 3, .message = "m", .source_line = "\t\tx = 1"}};
    EXPECT_EQ(describe(errors), "f:1:3: error: m\n    1 | \t\tx = 1\n      | \t\t^\n");
}

TEST(Describe, CountsCharactersNotBytes) {
    const ConfigErrors errors{
        {.file = "f", .line = 1, .column = 6, .message = "m", .source_line = "\"é\" = y"}};
    EXPECT_EQ(describe(errors), "f:1:6: error: m\n    1 | \"é\" = y\n      |      ^\n");
}

TEST(Describe, ShowsNoControlCharacters) {
    const ConfigErrors errors{
        {.file = "f", .line = 1, .column = 1, .message = "m", .source_line = "a\x1b[31m\x07"}};
    EXPECT_EQ(describe(errors), "f:1:1: error: m\n    1 | a?[31m?\n      | ^\n");
}

TEST(Describe, AnErrorOfTheWholeFileHasNoLine) {
    const ConfigErrors errors{{.file = "f", .message = "the configuration is empty"}};
    EXPECT_EQ(describe(errors), "f: error: the configuration is empty\n");
}

TEST(Describe, CutsLongLinesAndLeavesHopelessOnesOut) {
    const ConfigErrors near{{.file = "f",
                             .line = 1,
                             .column = 2,
                             .message = "m",
                             .source_line = std::string(5000, 'x')}};
    EXPECT_EQ(describe(near),
              "f:1:2: error: m\n    1 | " + std::string(160, 'x') + "\n      |  ^\n");
    const ConfigErrors far{{.file = "f",
                            .line = 1,
                            .column = 4000,
                            .message = "m",
                            .source_line = std::string(5000, 'x')}};
    EXPECT_EQ(describe(far), "f:1:4000: error: m\n");
}

TEST(Describe, ACaretBehindTheEndOfTheLineStaysAtItsEnd) {
    const ConfigErrors errors{
        {.file = "f", .line = 2, .column = 9, .message = "m", .source_line = "ab"}};
    EXPECT_EQ(describe(errors), "f:2:9: error: m\n    2 | ab\n      |   ^\n");
}

}  // namespace
}  // namespace fairlead::conf
