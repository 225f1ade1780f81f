#include "conf/schema/service_key.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/conf/schema/config_text.h"

namespace fairlead::conf {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// A service of four lines without a check, which a test may add lines to.
[[nodiscard]] std::string service(const std::string& name,
                                  const std::string& vip,
                                  const std::string& protocol = "tcp") {
    return "[[service]]\nname = \"" + name + "\"\nvip = \"" + vip + "\"\nprotocol = \"" + protocol +
           "\"\nhealth = { type = \"none\" }\n";
}

[[nodiscard]] ServiceConfig parsed(const std::string& text) {
    const auto config = parse_config(std::string(kHead) + text, "test.toml");
    EXPECT_TRUE(config);
    return config ? config->services.at(0) : ServiceConfig{};
}

TEST(ServiceKey, IsWrittenAsItWasRead) {
    for (const char* const vip : {"203.0.113.1:80",
                                  "203.0.113.1:8000-8100",
                                  "203.0.113.1:any",
                                  "[2001:db8::1]:80",
                                  "[2001:db8::1]:8000-8100",
                                  "[2001:db8::1]:any"}) {
        EXPECT_EQ(vip_text(parsed(service("a", vip))), vip);
    }
    EXPECT_EQ(vip_text(parsed(service("a", "203.0.113.1:80-80"))), "203.0.113.1:80");
}

TEST(ServiceKey, TellsWhichServicesShareAPort) {
    const auto share = [](const char* one, const char* other) {
        const ServiceConfig a = parsed(service("a", one));
        const ServiceConfig b = parsed(service("b", other));
        EXPECT_EQ(share_a_port(a, b), share_a_port(b, a)) << one << other;
        return share_a_port(a, b);
    };
    EXPECT_TRUE(share("203.0.113.1:80", "203.0.113.1:80"));
    EXPECT_FALSE(share("203.0.113.1:80", "203.0.113.1:81"));
    EXPECT_TRUE(share("203.0.113.1:80", "203.0.113.1:70-80"));
    EXPECT_TRUE(share("203.0.113.1:80", "203.0.113.1:80-90"));
    EXPECT_FALSE(share("203.0.113.1:80", "203.0.113.1:81-90"));
    EXPECT_TRUE(share("203.0.113.1:80-90", "203.0.113.1:90-100"));
    EXPECT_FALSE(share("203.0.113.1:80-90", "203.0.113.1:91-100"));
    EXPECT_TRUE(share("203.0.113.1:80-90", "203.0.113.1:any"));
    EXPECT_FALSE(share("203.0.113.1:any", "203.0.113.2:any"));
}

TEST(ServiceKey, ExactPortsRangesAndAnyStandTogether) {
    EXPECT_THAT(errors_after_head(
                    service("a", "203.0.113.1:any") + service("b", "203.0.113.1:8000-8100") +
                    service("c", "203.0.113.1:8050") + service("d", "203.0.113.1:8101-8200") +
                    service("e", "203.0.113.1:8050-8150", "udp") +
                    service("f", "203.0.113.1:any", "udp") + service("g", "203.0.113.2:8000-8100")),
                IsEmpty());
}

TEST(ServiceKey, OverlapsNameBothServices) {
    EXPECT_THAT(
        errors_after_head(service("a", "203.0.113.1:8000-8100") +
                          service("b", "203.0.113.1:8100-8200")),
        ElementsAre("11:7 service \"b\" takes tcp ports of 203.0.113.1:8100-8200, and so does "
                    "service \"a\" (203.0.113.1:8000-8100), at line 6"));
    EXPECT_THAT(
        errors_after_head(service("high", "203.0.113.1:8050-8200", "udp") +
                          service("low", "203.0.113.1:8000-8050", "udp")),
        ElementsAre("11:7 service \"low\" takes udp ports of 203.0.113.1:8000-8050, and so does "
                    "service \"high\" (203.0.113.1:8050-8200), at line 6"))
        << "the later one in the file is at fault";
    EXPECT_THAT(
        errors_after_head(service("a", "[2001:db8::1]:any") + service("b", "[2001:db8::1]:any")),
        ElementsAre("11:7 service \"b\" takes tcp ports of [2001:db8::1]:any, and so does "
                    "service \"a\" ([2001:db8::1]:any), at line 6"));
    EXPECT_THAT(errors_after_head(
                    service("wide", "203.0.113.1:1-1000") + service("x", "203.0.113.1:10-20") +
                    service("y", "203.0.113.1:30-40") + service("z", "203.0.113.1:1001-1002")),
                SizeIs(2))
        << "each that lies in the wide one";
}

TEST(ServiceKey, ACheckOfAnyPortSaysWhichOne) {
    const std::string any = "[[service]]\nname = \"a\"\nvip = \"203.0.113.1:any\"\n";
    EXPECT_THAT(errors_after_head(any),
                ElementsAre("4:1 a tcp check of a service of any port needs a \"port\" to ask, or "
                            "type = \"none\", in [[service.health]]"));
    EXPECT_THAT(errors_after_head(any + "[service.health]\ntype = \"http\"\n"),
                ElementsAre("8:8 a http check of a service of any port needs a \"port\" to ask, or "
                            "type = \"none\", in [[service.health]]"));
    EXPECT_THAT(errors_after_head(any + "[service.health]\nport = 80\n"), IsEmpty());
    EXPECT_THAT(errors_after_head(any + "[service.health]\ntype = \"none\"\n"), IsEmpty());
    EXPECT_THAT(errors_after_head("[defaults.health]\nport = 80\n" + any), IsEmpty());
    EXPECT_THAT(errors_after_head(any + "[service.health]\nport = 0\n"), SizeIs(1))
        << "what is known to be wrong is not asked for";
    EXPECT_THAT(errors_after_head(any + "protocol = \"udp\"\n"), SizeIs(1)) << "said once";
    EXPECT_THAT(errors_after_head("[[service]]\nname = \"a\"\nvip = \"203.0.113.1:80-90\"\n"),
                IsEmpty())
        << "of a range the first port is asked";
}

TEST(ServiceKey, SourcePrefixesHaveDefaultsAndBounds) {
    const std::string v4 = service("a", "203.0.113.1:80");
    const std::string v6 = service("a", "[2001:db8::1]:80");
    const std::string source = "hash = \"source\"\n";
    EXPECT_EQ(hash_text(parsed(v4)), "5tuple");
    EXPECT_EQ(source_prefix_bits(parsed(v6)), 0);
    EXPECT_EQ(hash_text(parsed(v4 + source)), "source/32");
    EXPECT_EQ(hash_text(parsed(v6 + source)), "source/64");
    EXPECT_EQ(source_prefix_bits(parsed(v4 + source + "source_prefix = 1\n")), 1);
    EXPECT_EQ(source_prefix_bits(parsed(v6 + source + "source_prefix = 128\n")), 128);
    EXPECT_THAT(
        errors_after_head(v4 + "source_prefix = 24\n"),
        ElementsAre("9:17 \"source_prefix\" goes with hash = \"source\": with \"5tuple\" the "
                    "whole address counts"));
    EXPECT_THAT(errors_after_head(v4 + "hash = \"5tuple\"\nsource_prefix = 24\n"), SizeIs(1));
    EXPECT_THAT(
        errors_after_head(v4 + source + "source_prefix = 33\n"),
        ElementsAre("10:17 \"source_prefix\" must be from 1 to 32 for an IPv4 VIP, not 33"));
    EXPECT_THAT(errors_after_head(v6 + source + "source_prefix = 129\n"),
                ElementsAre("10:17 \"source_prefix\" must be an integer from 1 to 128, not 129"));
    EXPECT_THAT(errors_after_head(v6 + source + "source_prefix = 0\n"), SizeIs(1));
    EXPECT_THAT(errors_after_head(v6 + "hash = \"client\"\nsource_prefix = 64\n"),
                ElementsAre("9:8 \"hash\" must be \"5tuple\" or \"source\", not \"client\""));
}

}  // namespace
}  // namespace fairlead::conf
