#include "conf/schema/sources.h"

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conf/schema/keys.h"
#include "conf/schema/scalars.h"
#include "tests/unit/conf/schema/config_text.h"

namespace fairlead::conf {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A service with these lines, of which the first is line 7 of the text.
[[nodiscard]] std::string with(std::string_view lines, int number = 10) {
    return std::string(kHead) + "[[service]]\nname = \"s" + std::to_string(number) +
           "\"\nvip = \"203.0.113." + std::to_string(number) + ":443\"\n" + std::string(lines) +
           "\n";
}

[[nodiscard]] Config parsed(const std::string& text) {
    auto config = parse_config(text, "test.toml");
    EXPECT_TRUE(config) << describe(config.error());
    return config ? std::move(*config) : Config{};
}

[[nodiscard]] std::vector<std::string> texts(const SourceList& list) {
    std::vector<std::string> result;
    for (std::size_t i = 0; list && i < list->size(); ++i) {
        result.push_back(prefix_text((*list)[i]));
    }
    return result;
}

TEST(Scalars, Rates) {
    EXPECT_EQ(parse_rate("100/s"), 100U);
    EXPECT_EQ(parse_rate("64k/s"), 64'000U);
    EXPECT_EQ(parse_rate("2M/s"), 2'000'000U);
    EXPECT_EQ(parse_rate("1G/s"), 1'000'000'000U);
    for (const char* wrong :
         {"", "/s", "1", "2M", "2m/s", "1/m", "1 /s", "-1/s", "1.5k/s", "99999999999999999G/s"}) {
        EXPECT_EQ(parse_rate(wrong), std::nullopt) << wrong;
    }
    EXPECT_EQ(rate_text(1), "1/s");
    EXPECT_EQ(rate_text(1'500), "1500/s");
    EXPECT_EQ(rate_text(2'000'000), "2M/s");
    EXPECT_EQ(rate_text(0), "0/s");
}

TEST(Sources, AreSortedAndEachOnceAndALoneAddressIsAPrefix) {
    const Config config = parsed(with(
        R"(allow = ["2001:db8::/32", "10.0.0.0/8", "192.0.2.1", "10.0.0.0/8", "2001:db8::1", "0.0.0.0/0"]
deny = ["::/0"])"));
    EXPECT_THAT(
        texts(config.services[0].allow),
        ElementsAre("0.0.0.0/0", "10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "2001:db8::1/128"));
    EXPECT_THAT(texts(config.services[0].deny), ElementsAre("::/0"));
    EXPECT_EQ(parsed(with("allow = []\ndeny = []")).services[0].allow, nullptr);
    EXPECT_EQ(parsed(with("")).services[0].deny, nullptr);
}

TEST(Sources, BitsBehindThePrefixAreRefusedWithTheRightPrefix) {
    EXPECT_THAT(errors_of(with(R"(deny = ["192.0.2.0/24", "10.0.0.1/8",
        "2001:db8::1/64"])")),
                ElementsAre("7:25 \"10.0.0.1/8\" in \"deny\" has bits set behind its prefix: write "
                            "\"10.0.0.0/8\", or \"10.0.0.1\" for that address alone",
                            "8:9 \"2001:db8::1/64\" in \"deny\" has bits set behind its prefix: "
                            "write \"2001:db8::/64\", or \"2001:db8::1\" for that address alone"));
}

TEST(Sources, WhatIsNoPrefixIsRefused) {
    for (const char* wrong : {"\"10.0.0.0/33\"",
                              "\"2001:db8::/129\"",
                              "\"10.0.0/8\"",
                              "\"10.0.0.0/\"",
                              "\"10.0.0.0/-1\"",
                              "\"10.0.0.0/8 \"",
                              "\"::ffff:10.0.0.0/104\"",
                              "\"example\"",
                              "\"\"",
                              "\"10.0.0.0\\u0000/8\"",
                              "8",
                              "[]"}) {
        const auto errors = errors_of(with("allow = [" + std::string(wrong) + "]"));
        ASSERT_EQ(errors.size(), 1U) << wrong;
        EXPECT_THAT(errors[0], testing::HasSubstr("\"allow\" must be addresses and prefixes"));
    }
    EXPECT_THAT(
        errors_of(with("allow = \"10.0.0.0/8\"")),
        ElementsAre("7:9 \"allow\" must be an array of 0 to 262144 elements, not a string"));
}

TEST(Sources, APrefixInBothListsIsRefusedWhereItIsDenied) {
    EXPECT_THAT(errors_of(with(R"(allow = ["10.0.0.0/8", "192.0.2.7"]
deny = ["10.0.0.0/9",
  "192.0.2.7/32"])")),
                ElementsAre("9:3 \"192.0.2.7/32\" is in \"allow\" too, at line 7: it cannot be "
                            "both"));
}

TEST(Sources, EqualListsAreOne) {
    std::string text = with(R"(deny = ["10.0.0.0/8", "192.0.2.7"])");
    text +=
        "[[service]]\nname = \"b\"\nvip = \"203.0.113.77:80\"\n"
        "deny = [\"192.0.2.7/32\", \"10.0.0.0/8\"]\nallow = [\"10.0.0.0/9\"]\n";
    const Config config = parsed(text);
    EXPECT_NE(config.services[0].deny, nullptr);
    EXPECT_EQ(config.services[0].deny, config.services[1].deny);
    EXPECT_NE(config.services[0].deny, config.services[1].allow);
}

std::string many(std::size_t count, std::uint32_t first) {
    std::string list;
    for (std::size_t i = 0; i < count; ++i) {
        const IpAddress address =
            IpAddress::from_v4(Be32::from_host(first + static_cast<std::uint32_t>(i)));
        list += std::string("\"") + address.text().data() + "/32\",\n";
    }
    return list;
}

// What is generated has a line for each of a hundred thousand prefixes.
TEST(Sources, AHundredThousandAreReadInASecondOrTwo) {
    const std::string text = with("deny = [\n" + many(100'000, 0x0A00'0000) + "]");
    const auto began = std::chrono::steady_clock::now();
    const Config config = parsed(text);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    EXPECT_EQ(config.services[0].deny->size(), 100'000U);
    EXPECT_LT(took.count(), 10) << "quadratic in the number of prefixes?";
    RecordProperty("seconds", std::to_string(took.count()));
}

TEST(Sources, MoreThanTheTablesHoldAreRefused) {
    std::string text = with("deny = [\n" + many(kMaxPrefixes - 1, 0x0A00'0000) + "]");
    text += "[[service]]\nname = \"b\"\nvip = \"203.0.113.77:80\"\nallow = [\"192.0.2.1\"]\n";
    EXPECT_THAT(errors_of(text), IsEmpty());
    text += "[[service]]\nname = \"c\"\nvip = \"203.0.113.78:80\"\nallow = [\"192.0.2.1\"]\n";
    EXPECT_THAT(errors_of(text), IsEmpty()) << "the same list again";
    text += "[[service]]\nname = \"d\"\nvip = \"203.0.113.79:80\"\nallow = [\"192.0.2.2\"]\n";
    const auto errors = errors_of(text);
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_THAT(errors[0],
                testing::HasSubstr("262145 source prefixes up to here; all services together can "
                                   "have 262144"));
}

TEST(Limits, AreRatesInATableOfTheService) {
    const Config config =
        parsed(with("limits = { new_flows_per_source = \"100/s\", packets = \"2M/s\" }"));
    EXPECT_EQ(config.services[0].limits, (LimitsConfig{2'000'000, 100}));
    EXPECT_EQ(parsed(with("[service.limits]\npackets = \"1/s\"")).services[0].limits,
              (LimitsConfig{1, 0}));
    EXPECT_EQ(parsed(with("")).services[0].limits, LimitsConfig{});
}

TEST(Limits, WrongOnesAreSaidWhereTheyStand) {
    EXPECT_THAT(
        errors_of(with("limits = { packets = \"2M\", new_flows_per_source = \"0/s\" }")),
        ElementsAre(
            "7:22 \"packets\" must be a rate such as \"100/s\", \"64k/s\" or \"2M/s\", from "
            "1/s to 1G/s, not \"2M\"",
            "7:51 \"new_flows_per_source\" must be a rate such as \"100/s\", \"64k/s\" or "
            "\"2M/s\", from 1/s to 1M/s, not \"0/s\""));
    EXPECT_THAT(errors_of(with("limits = { packet = \"2M/s\" }")),
                ElementsAre("7:12 unknown key \"packet\" in limits of [[service]]; did you mean "
                            "\"packets\"?"));
    EXPECT_THAT(
        errors_of(with("limits = \"2M/s\"")),
        ElementsAre("7:1 \"limits\" must be a table: write limits = { packets = \"2M/s\" }"));
}

}  // namespace
}  // namespace fairlead::conf
