#include "conf/schema/validate.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/conf/schema/config_text.h"

namespace fairlead::conf {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

[[nodiscard]] std::vector<std::string> errors_of_ports(std::string_view text) {
    return errors_of(std::string(kEngineOnly) + std::string(text));
}

TEST(ValidatePorts, NamesAndDevicesAreUnique) {
    EXPECT_THAT(errors_of_ports(R"([[port]]
name = "a"
interface = "eth0"
[[port]]
name = "a"
interface = "eth0"
[[port]]
name = "c"
vdev = "net_null0,copy=1"
mac = "02:00:00:00:00:01"
address = ["192.0.2.2/24"]
[[port]]
name = "d"
vdev = "net_null0"
mac = "02:00:00:00:00:02"
address = ["192.0.2.3/24"]
)"),
                ElementsAre("7:8 name \"a\" is another port's already, at line 4",
                            "8:13 interface \"eth0\" is another port's already, at line 5",
                            "16:8 vdev \"net_null0\" is another port's already, at line 11"));
}

TEST(ValidatePorts, EachHasOneDevice) {
    EXPECT_THAT(
        errors_of_ports("[[port]]\nname = \"a\"\ninterface = \"eth0\"\nvdev = \"net_null0\"\n"),
        ElementsAre("6:8 a port has an \"interface\" or a \"vdev\", not both"));
    EXPECT_THAT(errors_of_ports("[[port]]\nname = \"a\"\n"),
                ElementsAre("3:1 a port needs an \"interface\" or a \"vdev\""));
    EXPECT_THAT(errors_of_ports("[[port]]\nname = \"a\"\ninterface = \"lo\"\n"),
                ElementsAre("5:13 \"lo\" is no interface that can be forwarded on"));
}

TEST(ValidatePorts, AnInterfacesNameIsAsLongAsTheKernelsAlternativeNames) {
    const auto errors = [](std::size_t length) {
        return errors_of_ports("[[port]]\nname = \"a\"\ninterface = \"" + std::string(length, 'w') +
                               "\"\n");
    };
    EXPECT_THAT(errors(127), IsEmpty());
    EXPECT_THAT(errors(128), SizeIs(1));
}

TEST(ValidatePorts, AVdevSaysWhatNoKernelCanTell) {
    EXPECT_THAT(errors_of_ports("[[port]]\nname = \"a\"\nvdev = \"net_null0\"\n"),
                ElementsAre("3:1 a vdev port needs \"mac\": nothing else can tell it",
                            "3:1 a vdev port needs \"address\": nothing else can tell it"));
    EXPECT_THAT(
        errors_of_ports(
            "[[port]]\nname = \"a\"\nvdev = \"net_null0\"\nmac = \"02:00:00:00:00:01\"\n"
            "address = [\"127.0.0.1/8\"]\ngateway = \"192.0.2.1\"\n"),
        ElementsAre(
            "7:11 \"address\" 127.0.0.1 is loopback: it must be a host's address",
            "8:11 \"gateway\" and \"gateway_mac\" go together: a vdev has no neighbor table"));
}

TEST(ValidatePorts, OfAnInterfaceTheKernelTells) {
    EXPECT_THAT(
        errors_of_ports(
            "[[port]]\nname = \"a\"\ninterface = \"eth0\"\nmac = \"02:00:00:00:00:01\"\n"
            "address = [\"192.0.2.2/24\"]\n"),
        ElementsAre("6:1 \"mac\" is for a vdev only: of an interface the kernel tells it",
                    "7:1 \"address\" is for a vdev only: of an interface the kernel tells it"));
}

TEST(ValidatePorts, PortsAndWorkersAreLimited) {
    std::string text = "[engine]\ncpus = \"0-64\"\n";
    for (int i = 0; i < 17; ++i) {
        text += "[[port]]\nname = \"p" + std::to_string(i) + "\"\ninterface = \"e" +
                std::to_string(i) + "\"\n";
    }
    EXPECT_THAT(errors_of(text),
                ElementsAre("0:0 17 ports; there can be 16",
                            "2:8 65 CPUs make 65 workers; there can be 64"));
}

TEST(ValidateServices, NamesAndVipsAreUnique) {
    EXPECT_THAT(errors_after_head(R"([[service]]
name = "a"
vip = "203.0.113.1:80"
[[service]]
name = "a"
vip = "203.0.113.1:80"
[[service]]
name = "dns"
vip = "203.0.113.1:80"
protocol = "udp"
health = { type = "none" }
[[service]]
name = "other-port"
vip = "203.0.113.1:81"
)"),
                ElementsAre("8:8 service \"a\" is there already, at line 5",
                            "9:7 \"203.0.113.1:80\" tcp is another service's already, at line 6"));
}

TEST(ValidateServices, BackendsAreUniqueWithinTheirService) {
    EXPECT_THAT(errors_after_head(R"([[service]]
name = "a"
vip = "203.0.113.1:80"
backend = [{ name = "x", address = "192.0.2.1" }, { name = "x", address = "192.0.2.2" },
           { name = "y", address = "192.0.2.1" }]
[[service]]
name = "b"
vip = "203.0.113.2:80"
backend = [{ name = "x", address = "192.0.2.1" }]
)"),
                ElementsAre("7:60 backend \"x\" is in this service already, at line 7",
                            "8:36 192.0.2.1 is a backend of this service already, at line 7"));
}

TEST(ValidateServices, FamiliesAgree) {
    EXPECT_THAT(
        errors_after_head(R"([[service]]
name = "a"
vip = "203.0.113.1:80"
backend = [{ name = "x", address = "2001:db8::1" }]
[[service]]
name = "b"
vip = "[2001:db8::10]:80"
backend = [{ name = "x", address = "192.0.2.1" }]
)"),
        ElementsAre("7:36 an IPv6 backend cannot serve an IPv4 VIP by forwarding = \"l2\", which "
                    "sends packets on as they came; a tunnel can (\"ipip\", \"gue\", \"gre\")",
                    "11:36 an IPv4 backend cannot serve an IPv6 VIP by forwarding = \"l2\", which "
                    "sends packets on as they came; a tunnel can (\"ipip\", \"gue\", \"gre\")"));
    for (const char* const tunnel : {"ipip", "gue", "gre"}) {
        EXPECT_THAT(errors_after_head(std::string("[[service]]\nname = \"a\"\n"
                                                  "vip = \"203.0.113.1:80\"\nforwarding = \"") +
                                      tunnel +
                                      "\"\nbackend = [{ name = \"x\", address = \"2001:db8::1\" }, "
                                      "{ name = \"y\", address = \"192.0.2.1\" }]\n"),
                    IsEmpty());
    }
}

TEST(ValidateServices, AddressesAreOnesThatHostsHave) {
    struct Case {
        const char* address;
        const char* reason;
    };
    for (const Case& c : {Case{"0.0.0.0", "unspecified"},
                          Case{"0.1.2.3", "unspecified"},
                          Case{"127.0.0.2", "loopback"},
                          Case{"224.0.0.1", "multicast"},
                          Case{"239.255.255.255", "multicast"},
                          Case{"240.0.0.1", "reserved"},
                          Case{"255.255.255.255", "reserved"},
                          Case{"::", "unspecified"},
                          Case{"::1", "loopback"},
                          Case{"ff02::1", "multicast"},
                          Case{"fe80::1", "link-local"},
                          Case{"febf::1", "link-local"},
                          Case{"192.0.2.1", ""},
                          Case{"223.255.255.255", ""},
                          Case{"2001:db8::1", ""},
                          Case{"fec0::1", ""},
                          Case{"::2", ""}}) {
        const auto address = IpAddress::parse(c.address);
        ASSERT_TRUE(address) << c.address;
        EXPECT_EQ(why_not_a_host(*address), c.reason) << c.address;
    }
    EXPECT_THAT(errors_after_head(R"([[service]]
name = "a"
vip = "224.0.0.1:80"
backend = [{ name = "x", address = "127.0.0.1" }]
[[service]]
name = "b"
vip = "203.0.113.1:80"
backend = [{ name = "x", address = "203.0.113.1" }]
)"),
                ElementsAre("6:7 \"vip\" 224.0.0.1 is multicast: clients cannot reach it",
                            "7:36 127.0.0.1 is loopback: it cannot be a backend's address",
                            "11:36 this is the VIP itself: give the server's own address"));
}

TEST(ValidateServices, ABackendIsNoOtherServicesVip) {
    EXPECT_THAT(
        errors_after_head("[[service]]\nname = \"a\"\nvip = \"203.0.113.1:80\"\n"
                          "backend = [{ name = \"x\", address = \"203.0.113.2\" }]\n"
                          "[[service]]\nname = \"b\"\nvip = \"203.0.113.2:80\"\n"),
        ElementsAre("7:36 203.0.113.2 is the VIP of service \"b\": its packets would come back "
                    "here; give the server's own address"));
}

TEST(ValidateServices, ACheckEndsBeforeTheNextBegins) {
    EXPECT_THAT(
        errors_after_head("[[service]]\nname = \"a\"\nvip = \"203.0.113.1:80\"\n[service.health]\n"
                          "interval = \"200ms\"\n"),
        ElementsAre("7:1 the check's timeout of 500ms is longer than its interval of 200ms"));
    EXPECT_THAT(
        errors_after_head("[[service]]\nname = \"a\"\nvip = \"203.0.113.1:80\"\n[service.health]\n"
                          "timeout = \"2s\"\n"),
        ElementsAre("8:11 the check's timeout of 2s is longer than its interval of 1s"));
    EXPECT_THAT(
        errors_after_head("[[service]]\nname = \"a\"\nvip = \"203.0.113.1:80\"\n[service.health]\n"
                          "timeout = \"2s\"\ninterval = \"x\"\n"),
        testing::SizeIs(1))
        << "what is known to be wrong is not compared";
}

TEST(ValidateServices, AUdpServiceNamesThePortOfItsCheck) {
    const std::string service =
        "[[service]]\nname = \"a\"\nvip = \"203.0.113.1:53\"\nprotocol = \"udp\"\n";
    EXPECT_THAT(
        errors_after_head(service + "[service.health]\ntype = \"http\"\n"),
        ElementsAre(
            "9:8 a http check cannot use the port of a udp service: give the check a \"port\" that "
            "answers, or type = \"none\", in [[service.health]]"));
    EXPECT_THAT(
        errors_after_head(service),
        ElementsAre(
            "4:1 a tcp check cannot use the port of a udp service: give the check a \"port\" that "
            "answers, or type = \"none\", in [[service.health]]"));
    EXPECT_THAT(errors_after_head(service + "[service.health]\ntype = \"http\"\nport = 80\n"),
                IsEmpty());
    EXPECT_THAT(errors_after_head(service + "[service.health]\ntype = \"none\"\n"), IsEmpty());
    EXPECT_THAT(errors_after_head("[defaults.health]\ntype = \"none\"\n" + service), IsEmpty());
}

TEST(ValidateServices, ATunnelNeedsASourceOfTheBackendsFamilyNotTheVips) {
    const std::string port =
        "[[port]]\nname = \"p\"\nvdev = \"net_null0\"\nmac = \"02:00:00:00:00:01\"\n"
        "address = [\"192.0.2.2/24\"]\n";
    const std::string service =
        "[[service]]\nname = \"a\"\nvip = \"[2001:db8::10]:80\"\nforwarding = \"gue\"\n";
    EXPECT_THAT(
        errors_of_ports(port + service + "backend = [{ name = \"x\", address = \"10.0.4.1\" }]\n"),
        IsEmpty());
    EXPECT_THAT(
        errors_of_ports(port + service +
                        "backend = [{ name = \"x\", address = \"10.0.4.1\" }, "
                        "{ name = \"y\", address = \"2001:db8:4::1\" }]\n"),
        ElementsAre(
            "11:14 no [[port]] has an IPv6 \"address\" or \"tunnel_source\" to tunnel from"));
}

TEST(ValidateServices, ATunnelNeedsASourceOfItsFamily) {
    const std::string port =
        "[[port]]\nname = \"p\"\nvdev = \"net_null0\"\nmac = \"02:00:00:00:00:01\"\n";
    const std::string service =
        "[[service]]\nname = \"a\"\nvip = \"[2001:db8::10]:80\"\nforwarding = \"ipip\"\n";
    EXPECT_THAT(
        errors_of_ports(port + "address = [\"192.0.2.2/24\"]\n" + service),
        ElementsAre(
            "11:14 no [[port]] has an IPv6 \"address\" or \"tunnel_source\" to tunnel from"));
    EXPECT_THAT(
        errors_of_ports(port + "address = [\"192.0.2.2/24\", \"2001:db8::2/64\"]\n" + service),
        IsEmpty());
    EXPECT_THAT(
        errors_of_ports(port + "address = [\"192.0.2.2/24\"]\ntunnel_source = \"2001:db8::2\"\n" +
                        service),
        IsEmpty());
    EXPECT_THAT(errors_of_ports(port + "address = [\"192.0.2.2/24\"]\n" +
                                "tunnel_source_prefix = \"fd00:1::/64\"\n" + service),
                IsEmpty());
}

TEST(Validate, AFallbackIsAnotherServerAtTheVipsPort) {
    const auto errors_of = [](const std::string& lines) {
        std::vector<std::string> errors =
            errors_after_head("[[service]]\nname = \"s\"\nvip = \"203.0.113.1:443\"\n" + lines +
                              "[[service.backend]]\nname = \"a\"\naddress = \"192.0.2.1\"\n");
        for (std::string& error : errors) {
            error = error.substr(error.find(' ') + 1);
        }
        return errors;
    };
    const std::string used = "min_healthy = 1\non_min_healthy = \"fallback\"\n";
    EXPECT_THAT(errors_of(used + "fallback = \"192.0.2.9:443\"\n"), IsEmpty());
    EXPECT_THAT(errors_of(used + "fallback = \"192.0.2.9:80\"\n"),
                ElementsAre("the fallback gets packets at the VIP's port, as they are not "
                            "rewritten: write \"192.0.2.9:443\""));
    EXPECT_THAT(errors_of(used + "fallback = \"192.0.2.9:any\"\n").size(), 1U);
    EXPECT_THAT(errors_of(used + "fallback = \"192.0.2.1:443\"\n"),
                ElementsAre("192.0.2.1 is backend \"a\" of this service already: the fallback is "
                            "another server"));
    EXPECT_THAT(errors_of(used + "fallback = \"203.0.113.1:443\"\n"),
                ElementsAre("the fallback is the VIP itself: give the server's own address"));
    EXPECT_THAT(errors_of(used + "fallback = \"[2001:db8::9]:443\"\n"),
                ElementsAre("with forwarding = \"l2\" the fallback must be of the VIP's family, as "
                            "packets are sent on as they came; a tunnel can change it (\"ipip\", "
                            "\"gue\", \"gre\")"));
    EXPECT_THAT(errors_of(used + "forwarding = \"gue\"\nfallback = \"[2001:db8::9]:443\"\n"),
                IsEmpty());
    EXPECT_THAT(errors_of(used + "fallback = \"127.0.0.1:443\"\n").size(), 1U);
    EXPECT_THAT(errors_of(used),
                ElementsAre("on_min_healthy = \"fallback\" needs in service \"s\" a server that "
                            "serves then, such as fallback = \"192.0.2.9:443\""));
    const std::string unused =
        "\"fallback\" goes with a \"min_healthy\" and on_min_healthy = \"fallback\": it would "
        "never serve";
    EXPECT_THAT(errors_of("fallback = \"192.0.2.9:443\"\n"), ElementsAre(unused));
    EXPECT_THAT(errors_of("on_min_healthy = \"fallback\"\nfallback = \"192.0.2.9:443\"\n"),
                ElementsAre(unused));
    EXPECT_THAT(errors_of(used + "fallback = \"192.0.2.9\"\n").size(), 1U);
    EXPECT_THAT(errors_of(used + "fallback = \"192.0.2.9:443\"\n[[service.backend]]\nname = "
                                 "\"fallback\"\naddress = \"192.0.2.2\"\n")
                    .size(),
                1U);
}

TEST(Validate, ATunnelSourceIsOneAddressAFamily) {
    const auto errors_of = [](const std::string& value) {
        return errors_of_ports(
            "[[port]]\nname = \"p\"\ninterface = \"eth0\"\ntunnel_source = " + value + "\n");
    };
    EXPECT_THAT(errors_of("\"10.0.0.2\""), IsEmpty());
    EXPECT_THAT(errors_of("[\"10.0.0.2\"]"), IsEmpty());
    EXPECT_THAT(errors_of("[\"fd00::2\", \"10.0.0.2\"]"), IsEmpty());
    EXPECT_EQ(errors_of("[\"10.0.0.2\", \"10.0.0.3\"]").size(), 1U);
    EXPECT_EQ(errors_of("[]").size(), 1U);
    EXPECT_EQ(errors_of("[\"10.0.0.2\", 7]").size(), 1U);
    EXPECT_EQ(errors_of("7").size(), 1U);
    EXPECT_EQ(errors_of("\"127.0.0.1\"").size(), 1U);
}

TEST(Validate, ATunnelSourcePrefixIsAPrefixOfSomeHostsWithRoomForEntropy) {
    const auto errors_of = [](const std::string& prefix) {
        return errors_of_ports(
            "[[port]]\nname = \"p\"\ninterface = \"eth0\"\ntunnel_source_prefix = \"" + prefix +
            "\"\n");
    };
    const std::string key = "6:24 \"tunnel_source_prefix\" ";
    for (const char* good :
         {"fd00:1::/64", "fd00::/16", "fd00:1::/96", "10.0.0.0/8", "10.1.2.4/30"}) {
        EXPECT_THAT(errors_of(good), IsEmpty()) << good;
    }
    EXPECT_THAT(errors_of("10.1.2.4/31"),
                ElementsAre(key + "must be from /8 to /30 for IPv4, not /31"));
    EXPECT_THAT(errors_of("fd00:1::/97"),
                ElementsAre(key + "must be from /16 to /96 for IPv6, not /97"));
    EXPECT_THAT(errors_of("10.1.2.4/24"),
                ElementsAre(key + "10.1.2.4/24 has bits behind the prefix: write the prefix's "
                                  "first address"));
    EXPECT_THAT(errors_of("224.0.0.0/8"),
                ElementsAre(key + "224.0.0.0 is multicast: it must be a host's address"));
    EXPECT_THAT(errors_of("fd00:1::"),
                ElementsAre(key + "must be a prefix such as \"fd00:1::/64\" or \"10.1.0.0/16\", "
                                  "not \"fd00:1::\""));
}

TEST(Validate, AVlanIsOneThatAPortCanHave) {
    const auto errors_of = [](const std::string& vlan) {
        return errors_of_ports("[[port]]\nname = \"p\"\ninterface = \"eth0\"\nvlan = " + vlan +
                               "\n");
    };
    for (const char* good : {"1", "7", "4094"}) {
        EXPECT_THAT(errors_of(good), IsEmpty()) << good;
    }
    for (const char* bad : {"0", "4095", "-1", "65543", "\"7\""}) {
        EXPECT_EQ(errors_of(bad).size(), 1U) << bad;
    }
}

[[nodiscard]] std::string service_with(int number, int backends) {
    const std::string id = std::to_string(number);
    std::string text = "[[service]]\nname = \"s" + id +
                       "\"\nvip = \"203.0.113.1:" + std::to_string(number + 1) + "\"\n";
    for (int i = 0; i < backends; ++i) {
        text += "[[service.backend]]\nname = \"b" + std::to_string(i) + "\"\naddress = \"10.0." +
                std::to_string(i / 256) + "." + std::to_string(i % 256) + "\"\n";
    }
    return text;
}

TEST(ValidateServices, HoldsWhatTheSegmentsHoldAndNoMore) {
    EXPECT_THAT(errors_after_head(service_with(0, 4096)), IsEmpty());
    EXPECT_THAT(errors_after_head(service_with(0, 4097)),
                ElementsAre("4:1 4097 backends in service \"s0\"; there can be 4096"));
    std::string full;
    for (int i = 0; i < 4; ++i) {
        full += service_with(i, 4096);
    }
    EXPECT_THAT(errors_after_head(full), IsEmpty());
    EXPECT_THAT(errors_after_head(full + service_with(4, 1)),
                ElementsAre("0:0 16385 backends in all; there can be 16384"));
    std::string services;
    for (int i = 0; i < 4096; ++i) {
        services += service_with(i, 0);
    }
    EXPECT_THAT(errors_after_head(services), IsEmpty());
    EXPECT_THAT(errors_after_head(services + service_with(4096, 0)),
                ElementsAre("0:0 4097 services; there can be 4096"));
}

}  // namespace
}  // namespace fairlead::conf
