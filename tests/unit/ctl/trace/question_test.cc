#include "ctl/trace/question.h"

#include <gtest/gtest.h>

namespace fairlead::trace {
namespace {

TEST(Question, IsAFiveTupleAndFlags) {
    const auto four = parse_question({"tcp", "198.51.100.7:40000", "203.0.113.10:443", ""});
    ASSERT_TRUE(four) << four.error().message;
    EXPECT_EQ(four->protocol, kProtocolTcp);
    EXPECT_EQ(four->source, *IpAddress::parse("198.51.100.7"));
    EXPECT_EQ(four->source_port, 40'000);
    EXPECT_EQ(four->destination, *IpAddress::parse("203.0.113.10"));
    EXPECT_EQ(four->destination_port, 443);
    EXPECT_EQ(four->tcp_flags, kTcpSyn);
    const auto six = parse_question({"udp", "[2001:db8::7]:1", "[2001:db8::10]:65535", ""});
    ASSERT_TRUE(six) << six.error().message;
    EXPECT_EQ(six->protocol, kProtocolUdp);
    EXPECT_EQ(six->destination_port, 65'535);
}

TEST(Question, FlagsAreLettersOrEstablished) {
    const auto flags_of = [](std::string_view text) {
        const auto question = parse_question({"tcp", "192.0.2.1:1", "192.0.2.2:2", text});
        EXPECT_TRUE(question) << text;
        return question ? flags_text(question->tcp_flags) : "";
    };
    EXPECT_EQ(flags_of(""), "S");
    EXPECT_EQ(flags_of("S"), "S");
    EXPECT_EQ(flags_of("AS"), "SA");
    EXPECT_EQ(flags_of("FPA"), "FPA");
    EXPECT_EQ(flags_of("established"), "A");
}

TEST(Question, WhatIsWrongIsSaid) {
    const auto why = [](const QuestionText& text) {
        const auto question = parse_question(text);
        return question ? "" : question.error().message;
    };
    EXPECT_NE(why({"icmp", "192.0.2.1:1", "192.0.2.2:2", ""}).find("tcp or udp"),
              std::string::npos);
    EXPECT_NE(why({"tcp", "192.0.2.1", "192.0.2.2:2", ""}).find("source must be ADDRESS:PORT"),
              std::string::npos);
    EXPECT_NE(why({"tcp", "192.0.2.1:1", "vip:80", ""}).find("destination must be"),
              std::string::npos);
    EXPECT_NE(why({"tcp", "192.0.2.1:0", "192.0.2.2:2", ""}).find("source"), std::string::npos);
    EXPECT_NE(why({"tcp", "192.0.2.1:1", "[::1]:2", ""}).find("one address family"),
              std::string::npos);
    EXPECT_NE(why({"tcp", "192.0.2.1:1", "192.0.2.2:2", "X"}).find("letters of FSRPAU"),
              std::string::npos);
    EXPECT_NE(why({"udp", "192.0.2.1:1", "192.0.2.2:2", "S"}).find("no flags"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::trace
