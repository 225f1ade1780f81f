#include "conf/schema/parse.h"

#include <array>

#include <fmt/format.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/conf/schema/config_text.h"

namespace fairlead::conf {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

[[nodiscard]] Config parsed(std::string_view text) {
    auto result = parse_config(text, "test.toml");
    EXPECT_TRUE(result) << describe(result.error());
    return result ? std::move(result).value() : Config{};
}

TEST(Parse, ReadsEveryKey) {
    const Config config = parsed(R"(
[node]
name = "lb1"
seed_file = "/var/seed"
[engine]
cpus = "4,0-1"
hugepages = "required"
flows = "8M"
idle = "yield"
[[port]]
name = "edge"
interface = "eth0"
mtu = 9000
tunnel_source = "192.0.2.2"
[[port]]
name = "replay"
vdev = "net_pcap0,rx_pcap=in.pcap"
mac = "02:00:00:00:00:01"
address = ["192.0.2.3/24", "2001:db8::3/64"]
gateway = "192.0.2.1"
gateway_mac = "02:00:00:00:00:fe"
[api]
socket = "/run/x.sock"
listen = "[2001:db8::1]:9480"
[defaults.health]
interval = "2s"
rise = 7
[[service]]
name = "web"
vip = "[2001:db8::10]:443"
protocol = "tcp"
forwarding = "ipip"
icmp_echo = "never"
unmatched = "reject"
on_down = "move"
  [[service.health]]
  type = "http"
  timeout = "250ms"
  fall = 9
  port = 8080
  path = "/healthz?deep=1"
  host = "www.example"
  expect_status = ["200-299", "304", 401]
  [[service.backend]]
  name = "b1"
  address = "2001:db8::11"
  weight = 256
  mac = "02:00:00:00:04:01"
)");
    EXPECT_EQ(config.node.name, "lb1");
    EXPECT_EQ(config.node.seed_file, "/var/seed");
    EXPECT_THAT(config.engine.cpus, ElementsAre(4U, 0U, 1U));
    EXPECT_EQ(config.engine.hugepages, HugePages::kRequired);
    EXPECT_EQ(config.engine.flows, 8U << 20U);
    EXPECT_EQ(config.engine.idle, IdleMode::kYield);
    ASSERT_EQ(config.ports.size(), 2U);
    EXPECT_EQ(config.ports[0].interface, "eth0");
    EXPECT_EQ(config.ports[0].mtu, 9000U);
    EXPECT_EQ(config.ports[0].tunnel_sources, std::vector{*IpAddress::parse("192.0.2.2")});
    EXPECT_EQ(config.ports[1].vdev, "net_pcap0,rx_pcap=in.pcap");
    EXPECT_EQ(config.ports[1].mac, MacAddress::parse("02:00:00:00:00:01"));
    ASSERT_EQ(config.ports[1].addresses.size(), 2U);
    EXPECT_EQ(config.ports[1].addresses[1].address, IpAddress::parse("2001:db8::3"));
    EXPECT_EQ(config.ports[1].addresses[1].length, 64);
    EXPECT_EQ(config.ports[1].gateway, IpAddress::parse("192.0.2.1"));
    EXPECT_EQ(config.ports[1].gateway_mac, MacAddress::parse("02:00:00:00:00:fe"));
    EXPECT_EQ(config.api.socket, "/run/x.sock");
    EXPECT_EQ(config.api.listen, "[2001:db8::1]:9480");
    ASSERT_EQ(config.services.size(), 1U);
    const ServiceConfig& service = config.services[0];
    EXPECT_EQ(service.name, "web");
    EXPECT_EQ(service.vip, IpAddress::parse("2001:db8::10"));
    EXPECT_EQ(service.port, 443);
    EXPECT_EQ(service.protocol, Protocol::kTcp);
    EXPECT_EQ(service.forwarding, Forwarding::kIpip);
    EXPECT_EQ(service.icmp_echo, IcmpEcho::kNever);
    EXPECT_EQ(service.unmatched, Unmatched::kReject);
    EXPECT_EQ(service.on_down, OnDown::kMove);
    EXPECT_EQ(service.health.type, CheckType::kHttp);
    EXPECT_EQ(service.health.interval, milliseconds(2000)) << "from [defaults.health]";
    EXPECT_EQ(service.health.timeout, milliseconds(250));
    EXPECT_EQ(service.health.rise, 7U) << "from [defaults.health]";
    EXPECT_EQ(service.health.fall, 9U);
    EXPECT_EQ(service.health.port, 8080);
    EXPECT_EQ(service.health.path, "/healthz?deep=1");
    EXPECT_EQ(service.health.host, "www.example");
    ASSERT_EQ(service.health.expect_status.size(), 3U);
    EXPECT_EQ(service.health.expect_status[1].first, 304);
    EXPECT_EQ(service.health.expect_status[2].last, 401);
    ASSERT_EQ(service.backends.size(), 1U);
    EXPECT_EQ(service.backends[0].name, "b1");
    EXPECT_EQ(service.backends[0].address, IpAddress::parse("2001:db8::11"));
    EXPECT_EQ(service.backends[0].weight, 256U);
    EXPECT_EQ(service.backends[0].mac, MacAddress::parse("02:00:00:00:04:01"));
}

TEST(Parse, FillsInTheDefaults) {
    const Config config = parsed(std::string(kHead) +
                                 "[[service]]\nname = \"s\"\nvip = \"203.0.113.1:80\"\n"
                                 "[[service.backend]]\nname = \"b\"\naddress = \"192.0.2.1\"\n");
    std::array<char, 256> host{};
    ASSERT_EQ(gethostname(host.data(), host.size() - 1), 0);
    EXPECT_EQ(config.node.name, host.data());
    EXPECT_EQ(config.node.seed_file, "/etc/fairlead/seed");
    EXPECT_EQ(config.engine.hugepages, HugePages::kAuto);
    EXPECT_EQ(config.engine.flows, 1U << 20U);
    EXPECT_EQ(config.engine.idle, IdleMode::kSpin);
    EXPECT_EQ(config.ports[0].mtu, 0U);
    EXPECT_EQ(config.api.socket, "");
    EXPECT_EQ(config.api.listen, "");
    const ServiceConfig& service = config.services[0];
    EXPECT_EQ(service.protocol, Protocol::kTcp);
    EXPECT_EQ(service.forwarding, Forwarding::kL2);
    EXPECT_EQ(service.icmp_echo, IcmpEcho::kWhenUp);
    EXPECT_EQ(service.unmatched, Unmatched::kDrop);
    EXPECT_EQ(service.on_down, std::nullopt);
    EXPECT_EQ(on_down_of(service), OnDown::kKeep);
    ServiceConfig udp = service;
    udp.protocol = Protocol::kUdp;
    EXPECT_EQ(on_down_of(udp), OnDown::kMove);
    udp.on_down = OnDown::kKeep;
    EXPECT_EQ(on_down_of(udp), OnDown::kKeep);
    EXPECT_EQ(service.health.type, CheckType::kTcp);
    EXPECT_EQ(service.health.interval, milliseconds(1000));
    EXPECT_EQ(service.health.timeout, milliseconds(500));
    EXPECT_EQ(service.health.rise, 2U);
    EXPECT_EQ(service.health.fall, 3U);
    EXPECT_EQ(service.health.port, std::nullopt);
    EXPECT_EQ(service.health.path, "/");
    ASSERT_EQ(service.health.expect_status.size(), 1U);
    EXPECT_EQ(service.health.expect_status[0].first, 200);
    EXPECT_EQ(service.health.expect_status[0].last, 299);
    EXPECT_EQ(service.backends[0].weight, 1U);
    EXPECT_EQ(service.backends[0].mac, std::nullopt);
}

TEST(Parse, TakesOneTableOfChecksInEitherSpelling) {
    const std::string service =
        std::string(kHead) + "[[service]]\nname = \"s\"\nvip = \"203.0.113.1:80\"\n";
    EXPECT_EQ(parsed(service + "[service.health]\ntype = \"none\"\n").services[0].health.type,
              CheckType::kNone);
    EXPECT_EQ(parsed(service + "[[service.health]]\ntype = \"none\"\n").services[0].health.type,
              CheckType::kNone);
    EXPECT_THAT(
        errors_of(service +
                  "[[service.health]]\ntype = \"none\"\n[[service.health]]\ntype = \"tcp\"\n"),
        ElementsAre("9:1 a service has one [[service.health]], and this one has 2"));
}

TEST(Parse, ReportsTenMistakesAsTenErrors) {
    EXPECT_THAT(
        errors_of(R"([node]
nmae = "lb1"
[engine]
cpus = "7-2"
flows = "8 M"
[[port]]
name = "edge"
[[service]]
name = "-portal"
vip = "203.0.113.10"
protocl = "tcp"
  [service.health]
  interval = "1 second"
  [[service.backend]]
  name = "app-1"
  weihgt = 3
  address = "10.0.4.999"
[egnine]
)"),
        ElementsAre(
            "2:1 unknown key \"nmae\" in [node]; did you mean \"name\"?",
            "4:8 \"cpus\" must be a list of CPUs such as \"2-7\" or \"0,2,4-5\", not \"7-2\"",
            "5:9 \"flows\" must be a number such as 65536, \"64k\" or \"8M\", from 1 to "
            "1073741824, "
            "not \"8 M\"",
            "6:1 a port needs an \"interface\" or a \"vdev\"",
            "9:8 \"name\" must be a name of 1 to 63 letters, digits, '.', '_' or '-' that begins "
            "with "
            "a letter or digit, not \"-portal\"",
            "10:7 \"vip\" must be ADDRESS:PORT, ADDRESS:FIRST-LAST or ADDRESS:any, such as "
            "\"203.0.113.10:443\", \"203.0.113.10:8000-8100\" or \"[2001:db8::10]:any\", not "
            "\"203.0.113.10\"",
            "11:1 unknown key \"protocl\" in [[service]]; did you mean \"protocol\"?",
            "13:14 \"interval\" must be a duration such as \"500ms\", \"1s\" or \"15m\", from 10ms "
            "to "
            "1h, not \"1 second\"",
            "16:3 unknown key \"weihgt\" in [[service.backend]]; did you mean \"weight\"?",
            "17:13 \"address\" must be an IPv4 or IPv6 address, not \"10.0.4.999\"",
            "18:2 unknown table \"egnine\"; did you mean [engine]?"));
}

TEST(Parse, RefusesKeysThatItDoesNotKnowYet) {
    EXPECT_THAT(errors_after_head("include = [\"conf.d/*.toml\"]\n"),
                ElementsAre("4:1 unknown table \"include\""));
    EXPECT_THAT(errors_after_head("x = 1\n"),
                ElementsAre("4:1 unknown key outside of any table: \"x\""));
    EXPECT_THAT(
        errors_after_head("[[service]]\nname = \"s\"\nvip = \"203.0.113.1:80\"\nsplice = true\n"
                          "[service.drain]\ntimeout = \"15m\"\n"),
        ElementsAre("7:1 unknown key \"splice\" in [[service]]",
                    "8:10 unknown key \"drain\" in [[service]]"));
}

TEST(Parse, ASyntaxErrorIsOneErrorAtItsPlace) {
    EXPECT_THAT(errors_of("[node]\nname = \"lb1\n"),
                ElementsAre(testing::StartsWith("2:12 Error while parsing string")));
    EXPECT_THAT(errors_of("[node]\nname = \"a\"\nname = \"b\"\n"),
                ElementsAre(testing::StartsWith(
                    "3:8 Error while parsing key-value pair: cannot redefine")));
    EXPECT_THAT(errors_of("[node\n"), testing::SizeIs(1));
    EXPECT_THAT(errors_of("[%node]\n"),
                ElementsAre(testing::StartsWith("1:2 Error while parsing key")));
    EXPECT_THAT(errors_of("\xff\xfe\n"), testing::SizeIs(1));
    EXPECT_THAT(errors_of(std::string_view("a\0b = 1\n", 8)), testing::SizeIs(1));
}

TEST(Parse, NamesTheShapeThatATableMustHave) {
    EXPECT_THAT(
        errors_of("node = 3\nengine = []\napi = \"x\"\nport = 3\nservice = {}\ndefaults = 1\n"),
        ElementsAre("1:1 \"node\" must be a table: write [node]",
                    "2:1 \"engine\" must be a table: write [engine]",
                    "3:1 \"api\" must be a table: write [api]",
                    "4:1 there may be several of \"port\": write [[port]]",
                    "5:1 there may be several of \"service\": write [[service]]",
                    "6:1 \"defaults\" must be a table: write [defaults.health]"));
    EXPECT_THAT(errors_after_head("service = [1, { name = \"s\", vip = \"203.0.113.1:80\", health "
                                  "= 2, backend = {} }]\n"),
                ElementsAre("4:12 every element must be a table: write [[service]]",
                            "4:53 \"health\" must be a table: write [[service.health]]",
                            "4:65 there may be several of \"backend\": write [[service.backend]]"));
    EXPECT_THAT(errors_after_head("[defaults]\nhealth = 1\ndrain = 2\n"),
                ElementsAre("5:1 \"health\" must be a table: write [defaults.health]",
                            "6:1 unknown key \"drain\" in [defaults]"));
    EXPECT_THAT(
        errors_after_head("[[service]]\nname = \"s\"\nvip = \"203.0.113.1:80\"\nhealth = []\n"),
        ElementsAre("7:1 \"health\" must be a table: write [[service.health]]"));
}

TEST(Parse, NamesMissingKeys) {
    EXPECT_THAT(errors_of("# nothing\n"),
                ElementsAre("0:0 missing key \"cpus\" in [engine]",
                            "0:0 no [[port]]: packets come from nowhere"));
    EXPECT_THAT(
        errors_of(
            "engine = {}\n\n[[port]]\ninterface = \"eth0\"\n[[service]]\n[[service.backend]]\n"),
        ElementsAre("1:10 missing key \"cpus\" in [engine]",
                    "3:1 missing key \"name\" in [[port]]",
                    "5:1 missing key \"name\" in [[service]]",
                    "5:1 missing key \"vip\" in [[service]]",
                    "6:1 missing key \"name\" in [[service.backend]]",
                    "6:1 missing key \"address\" in [[service.backend]]"));
}

TEST(Parse, CarriesTheFileAndTheLineWithEachError) {
    const auto result =
        parse_config(std::string(kHead) + "[node]\r\n  nam = \"x\"\r\n", "some/where.toml");
    ASSERT_FALSE(result);
    ASSERT_EQ(result.error().size(), 1U);
    EXPECT_EQ(result.error()[0].file, "some/where.toml");
    EXPECT_EQ(result.error()[0].source_line, "  nam = \"x\"");
    EXPECT_EQ(describe(result.error()),
              "some/where.toml:5:3: error: unknown key \"nam\" in [node]; did you mean \"name\"?\n"
              "    5 |   nam = \"x\"\n"
              "      |   ^\n");
}

TEST(Parse, CountsMistakesBeyondWhatAnybodyReads) {
    std::string text(kHead);
    for (int i = 0; i < 2000; ++i) {
        text += fmt::format("x{} = 1\n", i);
    }
    const auto errors = errors_of(text);
    ASSERT_EQ(errors.size(), 501U);
    EXPECT_EQ(errors.back(), "0:0 1500 more errors are not shown; correct these first");
}

}  // namespace
}  // namespace fairlead::conf
