// Prefixes and vdev ports anywhere; the kernel's side in a network namespace of the test's own,
// which needs root.
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include <sched.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "ctl/neighbor/neighbor_table.h"

#include <boost/asio/io_context.hpp>

namespace fairlead::neighbor {
namespace {

using conf::PortConfig;

IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}

PortConfig vdev_port() {
    PortConfig port;
    port.name = "edge";
    port.vdev = "net_null0";
    port.mac = MacAddress::parse("02:00:00:00:00:01");
    port.addresses = {{ip("10.0.0.2"), 24}, {ip("2001:db8::2"), 64}};
    port.gateway = ip("10.0.0.1");
    port.gateway_mac = MacAddress::parse("02:00:00:00:00:fe");
    return port;
}

TEST(Prefix, CountsTheBitsOfTheAddressesOwnFamily) {
    const PortConfig::Prefix v4{ip("10.0.4.0"), 22};
    EXPECT_TRUE(contains(v4, ip("10.0.7.255")));
    EXPECT_FALSE(contains(v4, ip("10.0.8.0")));
    EXPECT_FALSE(contains(v4, ip("2001:db8::1")));
    EXPECT_TRUE(contains({ip("2001:db8::"), 33}, ip("2001:db8:7fff::1")));
    EXPECT_FALSE(contains({ip("2001:db8::"), 33}, ip("2001:db8:8000::1")));
    EXPECT_TRUE(contains({ip("0.0.0.0"), 0}, ip("203.0.113.1")));
    EXPECT_FALSE(contains({ip("::"), 0}, ip("203.0.113.1")));
}

TEST(DesiredPort, AVdevHasWhatTheFileSays) {
    PortConfig port = vdev_port();
    publish::DesiredPort desired = desired_port(port, nullptr);
    EXPECT_EQ(desired.mtu_bytes, 1500U);
    EXPECT_EQ(desired.tunnel_source_v4, ip("10.0.0.2"));
    EXPECT_EQ(desired.tunnel_source_v6, ip("2001:db8::2"));
    port.mtu = 9000;
    port.tunnel_sources = {ip("10.0.0.99")};
    desired = desired_port(port, nullptr);
    EXPECT_EQ(desired.mtu_bytes, 9000U);
    EXPECT_EQ(desired.tunnel_source_v4, ip("10.0.0.99"));
    EXPECT_EQ(desired.tunnel_source_v6, ip("2001:db8::2"));
    EXPECT_EQ(desired.tunnel_prefix.length, 0U);
}

TEST(DesiredPort, ATunnelSourcePrefixIsHandedOnAndStandsInForAMissingAddress) {
    PortConfig port = vdev_port();
    port.tunnel_source_prefix = {{ip("fd00:1::"), 64}};
    publish::DesiredPort desired = desired_port(port, nullptr);
    EXPECT_EQ(desired.tunnel_prefix, (publish::DesiredPort::TunnelPrefix{ip("fd00:1::"), 64}));
    EXPECT_EQ(desired.tunnel_source_v6, ip("2001:db8::2")) << "the port has an address";
    port.addresses.clear();
    desired = desired_port(port, nullptr);
    EXPECT_EQ(desired.tunnel_source_v6, ip("fd00:1::"));
    EXPECT_EQ(desired.tunnel_source_v4, IpAddress{});
}

class NeighborTableTest : public testing::Test {
  protected:
    NeighborTable& open(std::vector<PortConfig> ports) {
        auto opened = NeighborTable::open(loop_, std::move(ports), [this] { ++changes_; });
        EXPECT_TRUE(opened) << opened.error().message;
        table_ = std::move(opened).value();
        return *table_;
    }
    boost::asio::io_context loop_;
    std::unique_ptr<NeighborTable> table_;
    int changes_ = 0;
};

TEST_F(NeighborTableTest, AVdevsBackendsAreReachedByTheirMacOrTheGateways) {
    NeighborTable& table = open({vdev_port()});
    EXPECT_EQ(table.resolve(ip("192.0.2.1"), std::nullopt, false).link->mac.bytes[5], 0xFE);
    const auto fixed = MacAddress::parse("02:00:00:00:04:01");
    EXPECT_EQ(table.resolve(ip("10.0.0.7"), fixed, true).link->mac, *fixed);
    const Resolution on_link = table.resolve(ip("10.0.0.7"), std::nullopt, false);
    EXPECT_FALSE(on_link.link);
    EXPECT_NE(on_link.problem.find("give the backend its mac"), std::string::npos)
        << on_link.problem;
    EXPECT_FALSE(table.resolve(ip("192.0.2.1"), std::nullopt, true).link)
        << "l2 never crosses a gateway";
}

// A namespace with a veth pair; the far end stands in a namespace of its own behind `far_`.
class KernelTest : public NeighborTableTest {
  protected:
    void SetUp() override {
        if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
            GTEST_SKIP() << "needs root, for a network namespace";
        }
        run("ip link set lo up");
        run("ip link add edge type veth peer name far");
        run("ip link set edge address 02:00:00:00:00:01 mtu 1600 up");
        run("ip link set far address 02:00:00:00:00:02 up");
        run("ip addr add 10.0.0.2/24 dev edge");
        run("ip -6 addr add 2001:db8::2/64 dev edge nodad");
        run("ip route add 10.9.0.0/16 via 10.0.0.1");
    }
    [[nodiscard]] static bool can_run(const std::string& command) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
        return std::system(command.c_str()) == 0;
    }
    static void run(const std::string& command) { ASSERT_TRUE(can_run(command)) << command; }
    static PortConfig edge() {
        PortConfig port;
        port.name = "edge";
        port.interface = "edge";
        return port;
    }
    // Turns the loop until the backend is reached, or ten seconds are over.
    Resolution wait_for_link(const char* backend) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        Resolution resolution = table_->resolve(ip(backend), std::nullopt, false);
        while (!resolution.link && std::chrono::steady_clock::now() < deadline) {
            loop_.run_one_for(std::chrono::milliseconds(100));
            resolution = table_->resolve(ip(backend), std::nullopt, false);
        }
        EXPECT_TRUE(resolution.link) << resolution.problem;
        return resolution.link ? resolution : Resolution{publish::Link{}, resolution.problem};
    }
};

TEST_F(KernelTest, APortIsWhatItsInterfaceIs) {
    const NeighborTable& table = open({edge()});
    const publish::DesiredPort port = table.ports().at(0);
    EXPECT_EQ(port.mac, *MacAddress::parse("02:00:00:00:00:01"));
    EXPECT_EQ(port.mtu_bytes, 1600U);
    EXPECT_EQ(port.tunnel_source_v4, ip("10.0.0.2"));
    EXPECT_EQ(port.tunnel_source_v6, ip("2001:db8::2"));
    EXPECT_TRUE(table.problems({}).empty());
}

// What keepalived's use_vmac and FRR do to a macvlan as master and as backup.
TEST_F(KernelTest, AVirtualRoutersAddressIsThePortsWhileThisHostIsMaster) {
    const auto vrrp4 = *MacAddress::parse("00:00:5e:00:01:33");
    const auto vrrp6 = *MacAddress::parse("00:00:5e:00:02:34");
    run("ip link set far address 00:00:5e:00:01:07");  // a veth's IFLA_LINK is its peer
    run("ip addr add 203.0.113.9/32 dev far");
    if (!can_run("ip link add vrrp4 link edge type macvlan mode private")) {
        GTEST_SKIP() << "this kernel has no macvlan";
    }
    const NeighborTable& table = open({edge()});
    const auto wait_for = [&](const VirtualMacs& wanted, const char* what) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (table.ports().at(0).virtual_macs != wanted &&
               std::chrono::steady_clock::now() < deadline) {
            loop_.run_one_for(std::chrono::milliseconds(20));
        }
        EXPECT_EQ(table.ports().at(0).virtual_macs, wanted) << what;
    };
    VirtualMacs of_v4;
    of_v4.add(vrrp4);
    VirtualMacs of_both = of_v4;
    of_both.add(vrrp6);
    EXPECT_EQ(table.ports().at(0).virtual_macs, VirtualMacs{}) << "the veth's peer is no child";
    run("ip link set vrrp4 address 00:00:5e:00:01:33 addrgenmode none up");
    run("ip addr add 203.0.113.10/32 dev vrrp4");
    wait_for(of_v4, "master of IPv4");
    run("ip link add vrrp6 link edge type macvlan mode bridge");
    run("ip link set vrrp6 address 00:00:5e:00:02:34 addrgenmode none up");
    run("ip -6 addr add fe80::52/64 dev vrrp6 nodad");
    run("ip link add spare type veth peer name spare-far");  // its events come behind all those
    while (loop_.run_one_for(std::chrono::milliseconds(300)) != 0) {
    }
    EXPECT_EQ(table.ports().at(0).virtual_macs, of_v4) << "a link-local address is a backup's too";
    run("ip -6 addr add 2001:db8::10/128 dev vrrp6 nodad");
    wait_for(of_both, "master of both");
    run("ip addr del 203.0.113.10/32 dev vrrp4");
    VirtualMacs of_v6;
    of_v6.add(vrrp6);
    wait_for(of_v6, "keepalived, backup");
    run("ip addr add 203.0.113.10/32 dev vrrp4");
    wait_for(of_both, "master again");
    run("ip link set vrrp6 protodown on");
    wait_for(of_v4, "FRR, backup");
    run("ip link set vrrp6 protodown off");
    wait_for(of_both, "FRR, master again");
    run("ip link set vrrp4 down");
    wait_for(of_v6, "down");
    run("ip link del vrrp6");
    wait_for({}, "gone");
}

TEST_F(KernelTest, AMissingInterfaceIsNamed) {
    PortConfig port = edge();
    port.interface = "eth7";
    const NeighborTable& table = open({port});
    ASSERT_EQ(table.problems({}).size(), 1U);
    EXPECT_NE(table.problems({})[0].sentence.find("eth7"), std::string::npos);
}

TEST_F(KernelTest, ANeighborIsFoundOnTheLinkAndBehindTheGateway) {
    NeighborTable& table = open({edge()});
    Resolution before = table.resolve(ip("10.9.1.1"), std::nullopt, false);
    EXPECT_FALSE(before.link);
    EXPECT_NE(before.problem.find("10.0.0.1"), std::string::npos) << before.problem;
    run("ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:fe dev edge");
    run("ip neigh replace 10.0.0.7 lladdr 02:00:00:00:04:07 dev edge");
    run("ip -6 neigh replace 2001:db8::7 lladdr 02:00:00:00:06:07 dev edge");
    EXPECT_EQ(wait_for_link("10.9.1.1").link->mac.bytes[5], 0xFE);
    EXPECT_EQ(wait_for_link("10.0.0.7").link->mac.bytes[4], 0x04);
    EXPECT_EQ(wait_for_link("2001:db8::7").link->mac.bytes[4], 0x06);
    EXPECT_GT(changes_, 0);
    EXPECT_NE(table.resolve(ip("10.9.1.1"), std::nullopt, true).problem.find("use a tunnel"),
              std::string::npos);
    run("ip neigh replace 10.0.0.7 lladdr 02:00:00:00:04:08 dev edge");
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (wait_for_link("10.0.0.7").link->mac.bytes[5] != 8 &&
           std::chrono::steady_clock::now() < deadline) {
        loop_.run_one_for(std::chrono::milliseconds(100));
    }
    EXPECT_EQ(wait_for_link("10.0.0.7").link->mac.bytes[5], 8);
}

TEST_F(KernelTest, NoRouteAndAForeignInterfaceAreSaid) {
    run("ip link add other type veth peer name other-far");
    run("ip link set other up");
    run("ip addr add 10.7.0.1/24 dev other");
    NeighborTable& table = open({edge()});
    EXPECT_NE(table.resolve(ip("198.51.100.1"), std::nullopt, false).problem.find("no route"),
              std::string::npos);
    EXPECT_NE(table.resolve(ip("10.7.0.9"), std::nullopt, false).problem.find("no [[port]]"),
              std::string::npos);
    EXPECT_FALSE(table.resolve(ip("10.0.0.2"), std::nullopt, false).link) << "this host itself";
}

TEST_F(KernelTest, ARealNeighborAnswersWhenItIsAskedFor) {
    // The far end gets its own stack: the neighbor is found by ARP, not written in.
    run("ip netns add fl-neigh-$PPID 2>/dev/null; ip link set far netns fl-neigh-$PPID");
    const std::string far = "ip netns exec fl-neigh-$PPID ";
    run(far + "ip addr add 10.0.0.9/24 dev far");
    run(far + "ip link set far up");
    open({edge()});
    const Resolution resolution = wait_for_link("10.0.0.9");
    // Another daemon asks again for what is known: it must not be forgotten meanwhile.
    open({edge()});
    EXPECT_TRUE(table_->resolve(ip("10.0.0.9"), std::nullopt, false).link);
    loop_.run_one_for(std::chrono::milliseconds(100));
    EXPECT_TRUE(table_->resolve(ip("10.0.0.9"), std::nullopt, false).link);
    run("ip neigh show 10.0.0.9 | grep -q managed");
    run("ip netns del fl-neigh-$PPID");
    ASSERT_TRUE(resolution.link) << resolution.problem;
    EXPECT_EQ(resolution.link->mac.bytes[5], 2);
}

}  // namespace
}  // namespace fairlead::neighbor
