#include "dp/base/shell_word.h"

#include <gtest/gtest.h>

namespace fairlead {
namespace {

TEST(ShellWord, UsualNamesOfInterfacesStayAsTheyAre) {
    for (const char* name : {"eth0", "enp65s0f0np0", "bond0.1007", "eth0@if7", "vrrp_1-a"}) {
        EXPECT_EQ(shell_word(name), name);
    }
}

TEST(ShellWord, WhatAShellWouldReadIsQuoted) {
    EXPECT_EQ(shell_word("$(reboot)"), "'$(reboot)'");
    EXPECT_EQ(shell_word("a;b"), "'a;b'");
    EXPECT_EQ(shell_word("`a`"), "'`a`'");
    EXPECT_EQ(shell_word("it's"), R"('it'\''s')");
    EXPECT_EQ(shell_word("~"), "'~'");
    EXPECT_EQ(shell_word("a*"), "'a*'");
    EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace fairlead
