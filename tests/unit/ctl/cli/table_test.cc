#include "ctl/cli/table.h"

#include <gtest/gtest.h>

namespace fairlead::cli {
namespace {

Table two_rows() {
    Table table({{"NAME"}, {"FLOWS", Align::kRight}, {"WHY"}});
    table.add({{"app-1", Tone::kStrong}, {"7"}, {""}});
    table.add({{"a"}, {"1234567"}, {"connection refused", Tone::kBad}});
    return table;
}

TEST(Table, ColumnsAreAlignedAndNumbersStandRight) {
    EXPECT_EQ(two_rows().render(Look{}),
              "NAME     FLOWS  WHY\n"
              "app-1        7  -\n"
              "a      1234567  connection refused\n");
}

TEST(Table, ColorsDoNotMoveAColumn) {
    Look look;
    look.has_colors = true;
    EXPECT_EQ(two_rows().render(look),
              "\x1b[1mNAME\x1b[0m     \x1b[1mFLOWS\x1b[0m  \x1b[1mWHY\x1b[0m\n"
              "\x1b[1mapp-1\x1b[0m        7  -\n"
              "a      1234567  \x1b[1;31mconnection refused\x1b[0m\n");
}

TEST(Table, OnlyTheLastColumnIsCutToTheTerminal) {
    Look look;
    look.columns = 24;
    EXPECT_EQ(two_rows().render(look),
              "NAME     FLOWS  WHY\n"
              "app-1        7  -\n"
              "a      1234567  conne...\n");
    look.columns = 5;  // narrower than what must not be cut
    EXPECT_NE(two_rows().render(look).find("a      1234567"), std::string::npos);
}

TEST(Table, LettersBeyondAsciiTakeOneColumn) {
    Table table({{"NAME"}, {"N", Align::kRight}});
    table.add({{"caf\u00e9"}, {"1"}});
    table.add({{"plain"}, {"2"}});
    EXPECT_EQ(table.render(Look{}, "  "), "  NAME   N\n  caf\u00e9   1\n  plain  2\n");
    EXPECT_EQ(display_width("caf\u00e9"), 4U);
}

TEST(Table, WithoutRowsOnlyTheTitlesAreShown) {
    EXPECT_EQ(Table({{"A"}, {"B"}}).render(Look{}), "A  B\n");
}

}  // namespace
}  // namespace fairlead::cli
