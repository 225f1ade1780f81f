#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conf/schema/scalars.h"
#include "tests/unit/conf/schema/config_text.h"

namespace fairlead::conf {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

TEST(Scalars, Durations) {
    EXPECT_EQ(parse_duration("500ms"), milliseconds(500));
    EXPECT_EQ(parse_duration("1s"), milliseconds(1000));
    EXPECT_EQ(parse_duration("15m"), milliseconds(900'000));
    EXPECT_EQ(parse_duration("2h"), milliseconds(7'200'000));
    for (const char* wrong : {"",
                              "1",
                              "s",
                              "1.5s",
                              "-1s",
                              "1 s",
                              "1S",
                              "1sec",
                              "99999999999999999999s",
                              "9999999999999999h",
                              "+1s"}) {
        EXPECT_EQ(parse_duration(wrong), std::nullopt) << wrong;
    }
    EXPECT_EQ(duration_text(milliseconds(0)), "0ms");
    EXPECT_EQ(duration_text(milliseconds(1500)), "1500ms");
    EXPECT_EQ(duration_text(milliseconds(90'000)), "90s");
    EXPECT_EQ(duration_text(milliseconds(7'200'000)), "2h");
}

TEST(Scalars, Sizes) {
    EXPECT_EQ(parse_size("1"), 1U);
    EXPECT_EQ(parse_size("64k"), 65536U);
    EXPECT_EQ(parse_size("8M"), 8388608U);
    EXPECT_EQ(parse_size("1G"), 1073741824U);
    for (const char* wrong : {"", "k", "8m", "8MB", "8 M", "-1", "1e6", "99999999999G"}) {
        EXPECT_EQ(parse_size(wrong), std::nullopt) << wrong;
    }
}

TEST(Scalars, CpuLists) {
    EXPECT_EQ(parse_cpus("3", 9), (std::vector<std::uint32_t>{3}));
    EXPECT_EQ(parse_cpus("2-4", 9), (std::vector<std::uint32_t>{2, 3, 4}));
    EXPECT_EQ(parse_cpus("9,0,4-5", 9), (std::vector<std::uint32_t>{9, 0, 4, 5}));
    for (const char* wrong :
         {"", ",", "1,", ",1", "2-", "-2", "4-2", "10", "0-10", "a", "1;2", "1 ,2", "1-2-3"}) {
        EXPECT_EQ(parse_cpus(wrong, 9), std::nullopt) << wrong;
    }
    std::string flood = "0-9";
    for (int i = 0; i < 1000; ++i) {
        flood += ",0-9";
    }
    EXPECT_EQ(parse_cpus(flood, 9), std::nullopt);
}

TEST(Scalars, Endpoints) {
    const auto v4 = parse_endpoint("203.0.113.10:443");
    ASSERT_TRUE(v4);
    EXPECT_EQ(v4->address, IpAddress::parse("203.0.113.10"));
    EXPECT_EQ(v4->port, 443);
    const auto v6 = parse_endpoint("[2001:db8::10]:65535");
    ASSERT_TRUE(v6);
    EXPECT_EQ(v6->address, IpAddress::parse("2001:db8::10"));
    EXPECT_EQ(v6->port, 65535);
    for (const char* wrong : {"",
                              "203.0.113.10",
                              "203.0.113.10:",
                              "203.0.113.10:0",
                              "203.0.113.10:65536",
                              "203.0.113.10:443 ",
                              "[203.0.113.10]:443",
                              "2001:db8::10:443",
                              "[2001:db8::10]",
                              "[2001:db8::10:443",
                              "[::ffff:203.0.113.10]:443",
                              "[fe80::1%eth0]:443",
                              ":443",
                              "203.0.113.10:any",
                              "203.0.113.010:443",
                              "example.com:443"}) {
        EXPECT_FALSE(parse_endpoint(wrong)) << wrong;
    }
}

TEST(Scalars, PortsOfAVip) {
    struct Case {
        const char* text;
        std::uint16_t port;
        std::uint16_t last_port;
    };
    for (const Case& c : {Case{"203.0.113.10:443", 443, 0},
                          Case{"203.0.113.10:8000-8100", 8'000, 8'100},
                          Case{"203.0.113.10:1-65535", 1, 65'535},
                          Case{"203.0.113.10:80-80", 80, 0},
                          Case{"203.0.113.10:any", 0, 0}}) {
        const auto vip = parse_vip(c.text);
        ASSERT_TRUE(vip) << c.text;
        EXPECT_EQ(vip->address, IpAddress::parse("203.0.113.10"));
        EXPECT_EQ(vip->port, c.port) << c.text;
        EXPECT_EQ(vip->last_port, c.last_port) << c.text;
    }
    const auto v6 = parse_vip("[2001:db8::10]:any");
    ASSERT_TRUE(v6);
    EXPECT_EQ(v6->address, IpAddress::parse("2001:db8::10"));
    EXPECT_TRUE(parse_vip("[2001:db8::10]:1000-2000"));
    for (const char* wrong : {"203.0.113.10",
                              "203.0.113.10:",
                              "203.0.113.10:0",
                              "203.0.113.10:0-80",
                              "203.0.113.10:80-65536",
                              "203.0.113.10:81-80",
                              "203.0.113.10:80-",
                              "203.0.113.10:-80",
                              "203.0.113.10:80-90-100",
                              "203.0.113.10:80 - 90",
                              "203.0.113.10:Any",
                              "203.0.113.10:any-80",
                              "203.0.113.10:*",
                              "2001:db8::10:any",
                              "[203.0.113.10]:any",
                              ":any"}) {
        EXPECT_FALSE(parse_vip(wrong)) << wrong;
    }
}

TEST(Scalars, AddressesHaveOneSpelling) {
    EXPECT_TRUE(parse_address("192.0.2.1"));
    EXPECT_TRUE(parse_address("2001:db8::1"));
    EXPECT_FALSE(parse_address("::ffff:192.0.2.1"));
    EXPECT_FALSE(parse_address("192.0.2.1/24"));
    EXPECT_FALSE(parse_address(std::string_view("192.0.2.1\0", 10)));
}

TEST(Scalars, EthernetAddressesAreOfOneStation) {
    EXPECT_TRUE(parse_station_mac("02:00:00:00:04:01"));
    EXPECT_TRUE(parse_station_mac("AA:bb:cc:dd:ee:ff"));
    EXPECT_FALSE(parse_station_mac("ff:ff:ff:ff:ff:ff"));
    EXPECT_FALSE(parse_station_mac("01:00:5e:00:00:01"));
    EXPECT_FALSE(parse_station_mac("00:00:00:00:00:00"));
    EXPECT_FALSE(parse_station_mac("02-00-00-00-04-01"));
    EXPECT_FALSE(parse_station_mac("02:00:00:00:04"));
}

TEST(Scalars, Names) {
    for (const char* name : {"a", "0", "app-1", "A.b_c-d"}) {
        EXPECT_TRUE(is_name(name)) << name;
    }
    EXPECT_TRUE(is_name(std::string(63, 'x')));
    EXPECT_FALSE(is_name(std::string(64, 'x')));
    for (const char* wrong : {"", "-a", ".a", "_a", "a b", "a/b", "a\n", "\xc3\xa9"}) {
        EXPECT_FALSE(is_name(wrong)) << wrong;
    }
}

// One wrong value each: what stands in the table, and the message without its place.
TEST(MinHealthyKeys, StandInAServiceAndInTheDefaultsKeyByKey) {
    const auto config =
        parse_config(std::string(kHead) +
                         "[defaults]\nmin_healthy = \"60%\"\non_min_healthy = \"fail-open\"\n"
                         "[[service]]\nname = \"a\"\nvip = \"203.0.113.1:80\"\n"
                         "[[service]]\nname = \"b\"\nvip = \"203.0.113.1:81\"\nmin_healthy = 2\n"
                         "[[service]]\nname = \"c\"\nvip = \"203.0.113.1:82\"\nmin_healthy = 0\n"
                         "on_min_healthy = \"fail-close\"\n",
                     "test");
    ASSERT_TRUE(config) << describe(config.error());
    EXPECT_EQ(config->services[0].min_healthy, (MinHealthy{.percent = 60}));
    EXPECT_EQ(config->services[0].on_min_healthy, OnMinHealthy::kFailOpen);
    EXPECT_EQ(config->services[1].min_healthy, (MinHealthy{.count = 2}));
    EXPECT_EQ(config->services[1].on_min_healthy, OnMinHealthy::kFailOpen);
    EXPECT_FALSE(config->services[2].min_healthy.is_set());
    EXPECT_EQ(config->services[2].on_min_healthy, OnMinHealthy::kFailClose);
    EXPECT_EQ(config->node.mass_failure_hold, std::chrono::seconds(10));
}

TEST(MassFailureHold, IsSwitchedOffByZeroSeconds) {
    const auto config =
        parse_config(std::string(kHead) + "[node]\nmass_failure_hold = \"0s\"\n", "test");
    ASSERT_TRUE(config) << describe(config.error());
    EXPECT_EQ(config->node.mass_failure_hold, std::chrono::milliseconds(0));
}

struct WrongValue {
    const char* table;
    const char* line;
    const char* message;
};

class WrongValues : public testing::TestWithParam<WrongValue> {};

TEST_P(WrongValues, AreRefusedWithWhatWasExpected) {
    const WrongValue& wrong = GetParam();
    const auto errors = errors_after_head(std::string(wrong.table) + "\n" + wrong.line + "\n");
    ASSERT_EQ(errors.size(), 1U) << testing::PrintToString(errors);
    EXPECT_EQ(errors[0].substr(errors[0].find(' ') + 1), wrong.message);
}

constexpr const char* kHealth = "[defaults.health]";
constexpr const char* kBackend =
    "[[service]]\nname = \"s\"\nvip = \"203.0.113.1:80\"\n[[service.backend]]\nname = "
    "\"b\"\naddress = \"192.0.2.1\"";
constexpr const char* kService = "[[service]]\nname = \"s\"\nvip = \"203.0.113.1:80\"";

INSTANTIATE_TEST_SUITE_P(
    Kinds,
    WrongValues,
    testing::Values(
        WrongValue{
            kBackend, "weight = \"3\"", "\"weight\" must be an integer from 0 to 256, not \"3\""},
        WrongValue{
            kBackend, "weight = 257", "\"weight\" must be an integer from 0 to 256, not 257"},
        WrongValue{kBackend, "weight = -1", "\"weight\" must be an integer from 0 to 256, not -1"},
        WrongValue{kBackend,
                   "weight = 1.5",
                   "\"weight\" must be an integer from 0 to 256, not a floating-point number"},
        WrongValue{kBackend,
                   "weight = true",
                   "\"weight\" must be an integer from 0 to 256, not a boolean"},
        WrongValue{kBackend,
                   "weight = 2026-01-01",
                   "\"weight\" must be an integer from 0 to 256, not a date or time"},
        WrongValue{
            kBackend, "weight = []", "\"weight\" must be an integer from 0 to 256, not an array"},
        WrongValue{
            kBackend, "weight = {}", "\"weight\" must be an integer from 0 to 256, not a table"},
        WrongValue{
            kBackend,
            "mac = \"ff:ff:ff:ff:ff:ff\"",
            "\"mac\" must be the Ethernet address of one station, such as \"02:00:00:00:04:01\", "
            "not \"ff:ff:ff:ff:ff:ff\""},
        WrongValue{kHealth,
                   "interval = \"5ms\"",
                   "\"interval\" must be a duration such as \"500ms\", \"1s\" or \"15m\", from "
                   "10ms to 1h, not \"5ms\""},
        WrongValue{kHealth,
                   "interval = 5",
                   "\"interval\" must be a duration such as \"500ms\", \"1s\" or \"15m\", from "
                   "10ms to 1h, not 5"},
        WrongValue{kHealth,
                   "type = \"https\"",
                   "\"type\" must be \"none\", \"tcp\" or \"http\", not \"https\""},
        WrongValue{kService,
                   "min_healthy = \"0%\"",
                   "\"min_healthy\" must be a share of the backends from \"1%\" to \"100%\", or a "
                   "number of them from 0 to 4096, not \"0%\""},
        WrongValue{kService,
                   "min_healthy = \"3\"",
                   "\"min_healthy\" must be a share of the backends from \"1%\" to \"100%\", or a "
                   "number of them from 0 to 4096, not \"3\""},
        WrongValue{"[defaults]",
                   "min_healthy = 4097",
                   "\"min_healthy\" must be a share of the backends from \"1%\" to \"100%\", or a "
                   "number of them from 0 to 4096, not 4097"},
        WrongValue{kHealth, "rise = 0", "\"rise\" must be an integer from 1 to 1000, not 0"},
        WrongValue{
            kHealth, "port = 65536", "\"port\" must be an integer from 1 to 65535, not 65536"},
        WrongValue{kHealth,
                   "path = \"healthz\"",
                   "\"path\" must be a path that begins with \"/\", without blanks, of at most "
                   "1024 characters, "
                   "not \"healthz\""},
        WrongValue{kHealth,
                   "path = \"/a b\"",
                   "\"path\" must be a path that begins with \"/\", without blanks, of at most "
                   "1024 characters, "
                   "not \"/a b\""},
        WrongValue{kHealth,
                   "path = \"/a\\r\\nX: y\"",
                   "\"path\" must be text without control characters, not \"/a\\x0d\\x0aX: y\""},
        WrongValue{kHealth,
                   "host = \"\"",
                   "\"host\" must be a string of 1 to 255 characters without blanks, not \"\""},
        WrongValue{kHealth,
                   "expect_status = []",
                   "\"expect_status\" must be an array of 1 to 32 elements, not of 0"},
        WrongValue{kHealth,
                   "expect_status = 200",
                   "\"expect_status\" must be an array of 1 to 32 elements, not an integer"},
        WrongValue{kHealth,
                   "expect_status = [200, \"299-200\"]",
                   "\"expect_status\" must be HTTP status codes such as \"200-299\" or 204, from "
                   "100 to 599, "
                   "not \"299-200\""},
        WrongValue{kHealth,
                   "expect_status = [99]",
                   "\"expect_status\" must be HTTP status codes such as \"200-299\" or 204, from "
                   "100 to 599, not 99"},
        WrongValue{kService,
                   "forwarding = \"vxlan\"",
                   "\"forwarding\" must be \"l2\", \"ipip\", \"gue\" or \"gre\", not \"vxlan\""},
        WrongValue{kService,
                   "protocol = \"quic\"",
                   "\"protocol\" must be \"tcp\" or \"udp\", not \"quic\""},
        WrongValue{"[node]",
                   "seed_file = \"seed\"",
                   "\"seed_file\" must be a path that begins with \"/\", not \"seed\""},
        WrongValue{"[api]",
                   "listen = \"9480\"",
                   "\"listen\" must be ADDRESS:PORT, such as \"203.0.113.10:443\" or "
                   "\"[2001:db8::10]:443\", "
                   "not \"9480\""}));

TEST(Values, EveryWrongElementOfAnArrayIsLocated) {
    EXPECT_THAT(
        errors_of(std::string(kEngineOnly) +
                  "[[port]]\nname = \"p\"\nvdev = \"net_null0\"\nmac = \"02:00:00:00:00:01\"\n"
                  "address = [\"192.0.2.2/33\", \"192.0.2.2\", 7,\n  \"2001:db8::2/129\", "
                  "\"2001:db8::2/64\"]\n"),
        ElementsAre(
            "7:12 \"address\" must be addresses with prefix length, such as \"10.0.0.2/24\", "
            "not \"192.0.2.2/33\"",
            "7:28 \"address\" must be addresses with prefix length, such as \"10.0.0.2/24\", "
            "not \"192.0.2.2\"",
            "7:41 \"address\" must be addresses with prefix length, such as \"10.0.0.2/24\", not 7",
            "8:3 \"address\" must be addresses with prefix length, such as \"10.0.0.2/24\", "
            "not \"2001:db8::2/129\""));
}

TEST(Values, ACpuNamedTwiceIsRefused) {
    EXPECT_THAT(
        errors_of(
            "engine = { cpus = \"0,2-4,3\" }\nport = [{ name = \"p\", interface = \"eth0\" }]\n"),
        ElementsAre("1:19 \"cpus\" must be a list that names each CPU once, not \"0,2-4,3\""));
}

}  // namespace
}  // namespace fairlead::conf
