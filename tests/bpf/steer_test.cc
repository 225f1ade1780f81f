// bpf/steer.bpf.c on single frames: a table of (what it is, the frame, what becomes of it). No
// socket is attached here, so "to the engine" shows as STEER_NO_SOCKET; tests/functional/engine has
// sockets.
#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <linux/bpf.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "bpf/loader/steer_loader.h"
#include "dp/net/ip_address.h"
#include "dp/net/virtual_macs.h"
#include "tests/bpf/frames.h"

namespace fairlead {
namespace {

using testing::Ran;
using Bytes = std::vector<std::uint8_t>;

constexpr std::array<std::uint8_t, 6> kOurMac{2, 0, 0, 0, 0, 1};
constexpr std::array<std::uint8_t, 6> kOtherMac{2, 0, 0, 0, 0, 9};
constexpr std::array<std::uint8_t, 6> kBroadcast{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

steer_address key_of(const char* text) {
    steer_address key{};
    const IpAddress address = IpAddress::parse(text).value();
    std::copy(address.bytes().begin(), address.bytes().end(), std::begin(key.bytes));
    return key;
}

// Writes `bytes` into `frame`, which has room for them, from `offset` on.
void put(Bytes& frame, std::size_t offset, std::span<const std::uint8_t> bytes) {
    std::copy(bytes.begin(), bytes.end(), frame.begin() + static_cast<std::ptrdiff_t>(offset));
}

Bytes ethernet(const std::array<std::uint8_t, 6>& to, std::uint16_t type, const Bytes& payload) {
    Bytes frame(14 + payload.size());
    put(frame, 0, to);
    put(frame, 6, kOtherMac);
    frame[12] = static_cast<std::uint8_t>(type >> 8U);
    frame[13] = static_cast<std::uint8_t>(type & 0xFFU);
    put(frame, 14, payload);
    return frame;
}

// An IP header to `destination` with eight bytes behind it; the rest is nothing that steer looks
// at.
Bytes ipv4_to(const char* destination) {
    constexpr std::array<std::uint8_t, 16> kStart{
        0x45, 0, 0, 28, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 7};
    Bytes packet(28);
    put(packet, 0, kStart);
    const steer_address address = key_of(destination);
    put(packet, 16, std::span(address.bytes).subspan(12));
    return packet;
}
Bytes ipv6_to(const char* destination) {
    constexpr std::array<std::uint8_t, 8> kStart{0x60, 0, 0, 0, 0, 8, 6, 64};
    Bytes packet(48, 0x20);
    put(packet, 0, kStart);
    const steer_address address = key_of(destination);
    put(packet, 24, address.bytes);
    return packet;
}
Bytes cut(Bytes frame, std::size_t length) {
    frame.resize(length);
    return frame;
}
// An ARP request for `target` (RFC 826).
Bytes arp_for(const char* target) {
    constexpr std::array<std::uint8_t, 8> kStart{0, 1, 8, 0, 6, 4, 0, 1};
    Bytes packet(28);
    put(packet, 0, kStart);
    const steer_address address = key_of(target);
    put(packet, 24, std::span(address.bytes).subspan(12));
    return packet;
}
// A neighbor solicitation (RFC 4861, 4.3) without options, or another ICMPv6 message of that form.
Bytes solicitation_for(const char* target, std::uint8_t type) {
    Bytes packet = ipv6_to("ff02::1:ff00:10");
    packet.resize(64);
    packet[6] = 58;
    packet[40] = type;
    put(packet, 48, key_of(target).bytes);
    return packet;
}
// What follows the type 0x8100: priority and VLAN, the type behind it, the packet (IEEE 802.1Q,
// 9.3).
Bytes tagged(std::uint16_t type, const Bytes& payload, std::uint16_t control = 7) {
    Bytes result(4 + payload.size());
    result[0] = static_cast<std::uint8_t>(control >> 8U);
    result[1] = static_cast<std::uint8_t>(control & 0xFFU);
    result[2] = static_cast<std::uint8_t>(type >> 8U);
    result[3] = static_cast<std::uint8_t>(type & 0xFFU);
    put(result, 4, payload);
    return result;
}

struct Case {
    const char* description;
    Bytes frame;
    steer_outcome outcome;
};

std::vector<Case> cases() {
    constexpr std::uint16_t kIpv4 = 0x0800;
    constexpr std::uint16_t kIpv6 = 0x86DD;
    constexpr std::array<std::uint8_t, 6> kGroup{0x33, 0x33, 0xFF, 0, 0, 0x10};
    return {
        {"IPv4 to a VIP", ethernet(kOurMac, kIpv4, ipv4_to("203.0.113.10")), STEER_NO_SOCKET},
        {"IPv6 to a VIP", ethernet(kOurMac, kIpv6, ipv6_to("2001:db8::10")), STEER_NO_SOCKET},
        {"IPv4 to our own address", ethernet(kOurMac, kIpv4, ipv4_to("10.0.0.2")), STEER_KERNEL},
        {"IPv6 to our own address", ethernet(kOurMac, kIpv6, ipv6_to("2001:db8::2")), STEER_KERNEL},
        {"one bit beside the IPv4 VIP",
         ethernet(kOurMac, kIpv4, ipv4_to("203.0.113.11")),
         STEER_KERNEL},
        {"one bit beside the IPv6 VIP",
         ethernet(kOurMac, kIpv6, ipv6_to("2001:db8::11")),
         STEER_KERNEL},
        {"the IPv4 VIP written into an IPv6 header",
         ethernet(kOurMac, kIpv6, ipv6_to("::ffff:203.0.113.10")),
         STEER_KERNEL},
        {"to a VIP, frame to another host",
         ethernet(kOtherMac, kIpv4, ipv4_to("203.0.113.10")),
         STEER_KERNEL},
        {"to a VIP, frame to everybody",
         ethernet(kBroadcast, kIpv4, ipv4_to("203.0.113.10")),
         STEER_KERNEL},
        {"ARP for a VIP", ethernet(kBroadcast, 0x0806, arp_for("203.0.113.10")), STEER_NO_SOCKET},
        {"ARP for a VIP, to us",
         ethernet(kOurMac, 0x0806, arp_for("203.0.113.10")),
         STEER_NO_SOCKET},
        {"ARP for our own address",
         ethernet(kBroadcast, 0x0806, arp_for("10.0.0.2")),
         STEER_KERNEL},
        {"ARP for a VIP one byte short",
         cut(ethernet(kBroadcast, 0x0806, arp_for("203.0.113.10")), 41),
         STEER_KERNEL},
        {"solicitation for a VIP",
         ethernet(kGroup, kIpv6, solicitation_for("2001:db8::10", 135)),
         STEER_NO_SOCKET},
        {"solicitation for our own address",
         ethernet(kGroup, kIpv6, solicitation_for("2001:db8::2", 135)),
         STEER_KERNEL},
        {"advertisement of a VIP",
         ethernet(kGroup, kIpv6, solicitation_for("2001:db8::10", 136)),
         STEER_KERNEL},
        {"solicitation for a VIP one byte short",
         cut(ethernet(kGroup, kIpv6, solicitation_for("2001:db8::10", 135)), 77),
         STEER_KERNEL},
        {"a VLAN tag before IPv4 to a VIP",
         ethernet(kOurMac, 0x8100, tagged(kIpv4, ipv4_to("203.0.113.10"))),
         STEER_KERNEL},
        {"a VLAN tag before IPv6 to a VIP",
         ethernet(kOurMac, 0x8100, tagged(kIpv6, ipv6_to("2001:db8::10"))),
         STEER_KERNEL},
        {"nothing but Ethernet", ethernet(kOurMac, kIpv4, {}), STEER_KERNEL},
        {"IPv4 header one byte short",
         cut(ethernet(kOurMac, kIpv4, ipv4_to("203.0.113.10")), 33),
         STEER_KERNEL},
        {"IPv4 header and no more",
         cut(ethernet(kOurMac, kIpv4, ipv4_to("203.0.113.10")), 34),
         STEER_NO_SOCKET},
        {"IPv6 header one byte short",
         cut(ethernet(kOurMac, kIpv6, ipv6_to("2001:db8::10")), 53),
         STEER_KERNEL},
        {"IPv6 header and no more",
         cut(ethernet(kOurMac, kIpv6, ipv6_to("2001:db8::10")), 54),
         STEER_NO_SOCKET},
        {"some other protocol", ethernet(kOurMac, 0x88CC, Bytes(46)), STEER_KERNEL},
        {"IPv4 to a VIP with a priority",
         ethernet(kOurMac, 0x8100, tagged(kIpv4, ipv4_to("203.0.113.10"), 0xA000)),
         STEER_NO_SOCKET},
        {"IPv6 to a VIP, drop eligible, VLAN 0",
         ethernet(kOurMac, 0x8100, tagged(kIpv6, ipv6_to("2001:db8::10"), 0x1000)),
         STEER_NO_SOCKET},
        {"ARP for a VIP with a priority",
         ethernet(kBroadcast, 0x8100, tagged(0x0806, arp_for("203.0.113.10"), 0xE000)),
         STEER_NO_SOCKET},
        {"IPv4 to our own address with a priority",
         ethernet(kOurMac, 0x8100, tagged(kIpv4, ipv4_to("10.0.0.2"), 0xA000)),
         STEER_KERNEL},
        {"to a VIP with a priority, frame to another host",
         ethernet(kOtherMac, 0x8100, tagged(kIpv4, ipv4_to("203.0.113.10"), 0xA000)),
         STEER_KERNEL},
        {"two priority tags",
         ethernet(
             kOurMac, 0x8100, tagged(0x8100, tagged(kIpv4, ipv4_to("203.0.113.10"), 0), 0xA000)),
         STEER_KERNEL},
        {"half a priority tag",
         cut(ethernet(kOurMac, 0x8100, tagged(kIpv4, ipv4_to("203.0.113.10"), 0)), 17),
         STEER_KERNEL},
    };
}

// On a port with VLAN 7.
std::vector<Case> vlan_cases() {
    constexpr std::uint16_t kTag = 0x8100;
    constexpr std::uint16_t kIpv4 = 0x0800;
    constexpr std::uint16_t kIpv6 = 0x86DD;
    constexpr std::uint16_t kArp = 0x0806;
    constexpr std::array<std::uint8_t, 6> kGroup{0x33, 0x33, 0xFF, 0, 0, 0x10};
    const Bytes vip4 = ipv4_to("203.0.113.10");
    const Bytes vip6 = ipv6_to("2001:db8::10");
    const Bytes solicitation = solicitation_for("2001:db8::10", 135);
    return {
        {"IPv4 to a VIP", ethernet(kOurMac, kTag, tagged(kIpv4, vip4)), STEER_NO_SOCKET},
        {"IPv6 to a VIP", ethernet(kOurMac, kTag, tagged(kIpv6, vip6)), STEER_NO_SOCKET},
        {"priority 7", ethernet(kOurMac, kTag, tagged(kIpv4, vip4, 0xE007)), STEER_NO_SOCKET},
        {"drop eligible", ethernet(kOurMac, kTag, tagged(kIpv6, vip6, 0x1007)), STEER_NO_SOCKET},
        {"ARP for a VIP",
         ethernet(kBroadcast, kTag, tagged(kArp, arp_for("203.0.113.10"))),
         STEER_NO_SOCKET},
        {"solicitation for a VIP",
         ethernet(kGroup, kTag, tagged(kIpv6, solicitation)),
         STEER_NO_SOCKET},
        {"IPv4 to our own address",
         ethernet(kOurMac, kTag, tagged(kIpv4, ipv4_to("10.0.0.2"))),
         STEER_KERNEL},
        {"ARP for our own address",
         ethernet(kBroadcast, kTag, tagged(kArp, arp_for("10.0.0.2"))),
         STEER_KERNEL},
        {"frame to another host", ethernet(kOtherMac, kTag, tagged(kIpv4, vip4)), STEER_KERNEL},
        {"IPv4 without a tag", ethernet(kOurMac, kIpv4, vip4), STEER_KERNEL},
        {"IPv6 without a tag", ethernet(kOurMac, kIpv6, vip6), STEER_KERNEL},
        {"ARP without a tag", ethernet(kBroadcast, kArp, arp_for("203.0.113.10")), STEER_KERNEL},
        {"solicitation without a tag", ethernet(kGroup, kIpv6, solicitation), STEER_KERNEL},
        {"another VLAN", ethernet(kOurMac, kTag, tagged(kIpv4, vip4, 8)), STEER_KERNEL},
        {"a VLAN of one bit more",
         ethernet(kOurMac, kTag, tagged(kIpv4, vip4, 0x807)),
         STEER_KERNEL},
        {"priority-tagged", ethernet(kOurMac, kTag, tagged(kIpv4, vip4, 0xA000)), STEER_KERNEL},
        {"a service tag", ethernet(kOurMac, 0x88A8, tagged(kIpv4, vip4)), STEER_KERNEL},
        {"two tags", ethernet(kOurMac, kTag, tagged(kTag, tagged(kIpv4, vip4))), STEER_KERNEL},
        {"half a tag", cut(ethernet(kOurMac, kTag, tagged(kIpv4, vip4)), 17), STEER_KERNEL},
        {"a tag and no more", cut(ethernet(kOurMac, kTag, tagged(kIpv4, vip4)), 18), STEER_KERNEL},
        {"IPv4 header one byte short",
         cut(ethernet(kOurMac, kTag, tagged(kIpv4, vip4)), 37),
         STEER_KERNEL},
        {"IPv4 header and no more",
         cut(ethernet(kOurMac, kTag, tagged(kIpv4, vip4)), 38),
         STEER_NO_SOCKET},
        {"IPv6 header one byte short",
         cut(ethernet(kOurMac, kTag, tagged(kIpv6, vip6)), 57),
         STEER_KERNEL},
        {"solicitation one byte short",
         cut(ethernet(kGroup, kTag, tagged(kIpv6, solicitation)), 81),
         STEER_KERNEL},
    };
}

Ran run(const SteerLoader& steer, const Bytes& frame) {
    return testing::run_program(steer.program_fd(), frame);
}

class Steer : public ::testing::Test {
  protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "loading a BPF program needs root";
        }
        Result<SteerVips> vips = SteerVips::open("");
        ASSERT_TRUE(vips) << vips.error().message;
        vips_.push_back(std::move(*vips));
        Result<SteerLoader> loaded = SteerLoader::load(vips_.front(), "", "test0");
        ASSERT_TRUE(loaded) << loaded.error().message;
        steer_.push_back(std::move(*loaded));
        const Status set = vips_.front().set({key_of("203.0.113.10"), key_of("2001:db8::10")});
        ASSERT_TRUE(set);
    }

    // Every frame as its case says, counted once, and left as it was.
    void expect(const std::vector<Case>& cases) const {
        for (const Case& each : cases) {
            SCOPED_TRACE(each.description);
            const Result<SteerCounters> before = steer_.front().counters();
            const Ran ran = run(steer_.front(), each.frame);
            const Result<SteerCounters> after = steer_.front().counters();
            ASSERT_TRUE(before && after);
            EXPECT_EQ(ran.action, each.outcome == STEER_KERNEL ? XDP_PASS : XDP_DROP);
            EXPECT_EQ(ran.frame, each.frame);
            for (std::size_t outcome = 0; outcome < STEER_OUTCOME_COUNT; ++outcome) {
                EXPECT_EQ(after->at(outcome) - before->at(outcome), outcome == each.outcome ? 1 : 0)
                    << "counter " << outcome;
            }
        }
    }

    // Of either, the one that SetUp() made.
    std::vector<SteerVips> vips_;
    std::vector<SteerLoader> steer_;
};

TEST_F(Steer, SendsOnlyWhatIsForAVipToTheEngine) {
    ASSERT_TRUE(steer_.front().set_interface(kOurMac, 0, {}));
    expect(cases());
}

TEST_F(Steer, LooksBehindThePortsTagAndNoOther) {
    ASSERT_TRUE(steer_.front().set_interface(kOurMac, 7, {}));
    expect(vlan_cases());
    ASSERT_TRUE(steer_.front().set_interface(kOurMac, 0, {}));
    expect(cases());
}

// For the virtual routers 51 of IPv4 and 52 of IPv6.
std::vector<Case> virtual_cases() {
    constexpr std::uint16_t kIpv4 = 0x0800;
    constexpr std::uint16_t kIpv6 = 0x86DD;
    using Mac = std::array<std::uint8_t, 6>;
    constexpr Mac kOurs4{0, 0, 0x5E, 0, 1, 51};
    constexpr Mac kOurs6{0, 0, 0x5E, 0, 2, 52};
    const Bytes packet = ipv4_to("203.0.113.10");
    const Bytes packet6 = ipv6_to("2001:db8::10");
    return {
        {"IPv4 to the virtual router", ethernet(kOurs4, kIpv4, packet), STEER_NO_SOCKET},
        {"IPv6 to the virtual router", ethernet(kOurs6, kIpv6, packet6), STEER_NO_SOCKET},
        {"IPv6 to that of IPv4", ethernet(kOurs4, kIpv6, packet6), STEER_NO_SOCKET},
        {"to our own address", ethernet(kOurMac, kIpv4, packet), STEER_NO_SOCKET},
        {"no VIP", ethernet(kOurs4, kIpv4, ipv4_to("10.0.0.2")), STEER_KERNEL},
        {"ARP", ethernet(kOurs4, 0x0806, arp_for("203.0.113.10")), STEER_NO_SOCKET},
        {"ARP to another one", ethernet(kOurs6, 0x0806, arp_for("203.0.113.10")), STEER_NO_SOCKET},
        {"with a priority",
         ethernet(kOurs4, 0x8100, tagged(kIpv4, packet, 0xA000)),
         STEER_NO_SOCKET},
        {"another router", ethernet(Mac{0, 0, 0x5E, 0, 1, 52}, kIpv4, packet), STEER_KERNEL},
        {"another of IPv6", ethernet(Mac{0, 0, 0x5E, 0, 2, 51}, kIpv6, packet6), STEER_KERNEL},
        {"one 64 further", ethernet(Mac{0, 0, 0x5E, 0, 1, 115}, kIpv4, packet), STEER_KERNEL},
        {"no router", ethernet(Mac{0, 0, 0x5E, 0, 1, 0}, kIpv4, packet), STEER_KERNEL},
        {"range 0", ethernet(Mac{0, 0, 0x5E, 0, 0, 51}, kIpv4, packet), STEER_KERNEL},
        {"range 3", ethernet(Mac{0, 0, 0x5E, 0, 3, 51}, kIpv4, packet), STEER_KERNEL},
        {"a group of IPv4", ethernet(Mac{1, 0, 0x5E, 0, 1, 51}, kIpv4, packet), STEER_KERNEL},
        {"another vendor", ethernet(Mac{0, 0, 0x5F, 0, 1, 51}, kIpv4, packet), STEER_KERNEL},
        {"another second byte", ethernet(Mac{0, 1, 0x5E, 0, 1, 51}, kIpv4, packet), STEER_KERNEL},
        {"another fourth byte", ethernet(Mac{0, 0, 0x5E, 1, 1, 51}, kIpv4, packet), STEER_KERNEL},
    };
}

TEST_F(Steer, TakesWhatIsAddressedToAVirtualRouterThatThisHostIs) {
    VirtualMacs ours;
    ours.add({{0, 0, 0x5E, 0, 1, 51}});
    ours.add({{0, 0, 0x5E, 0, 2, 52}});
    ASSERT_TRUE(steer_.front().set_interface(kOurMac, 0, ours.words));
    expect(virtual_cases());
    expect(cases());
    ASSERT_TRUE(steer_.front().set_interface(kOurMac, 0, {}));
    expect(virtual_cases());  // as before: nobody has said otherwise
    ASSERT_TRUE(steer_.front().set_interface(kOurMac, 0, VirtualMacs{}.words));
    const Bytes frame = ethernet({0, 0, 0x5E, 0, 1, 51}, 0x0800, ipv4_to("203.0.113.10"));
    EXPECT_EQ(run(steer_.front(), frame).action, XDP_PASS);
}

TEST_F(Steer, KnowsEveryVirtualRouter) {
    VirtualMacs all;
    for (unsigned number = 0; number < VirtualMacs::kCount; ++number) {
        all.add(VirtualMacs::mac_of(number));
    }
    for (const unsigned number : {1U, 63U, 64U, 191U, 192U, 255U, 257U, 320U, 511U}) {
        const MacAddress mac = VirtualMacs::mac_of(number);
        const Bytes frame = ethernet(mac.bytes, 0x0800, ipv4_to("203.0.113.10"));
        VirtualMacs others = all;
        others.words[number / 64] &= ~(std::uint64_t{1} << (number % 64));
        ASSERT_TRUE(steer_.front().set_interface(kOurMac, 0, others.words));
        EXPECT_EQ(run(steer_.front(), frame).action, XDP_PASS) << number;
        VirtualMacs alone;
        alone.add(mac);
        ASSERT_TRUE(steer_.front().set_interface(kOurMac, 0, alone.words));
        EXPECT_EQ(run(steer_.front(), frame).action, XDP_DROP) << number;
    }
}

TEST_F(Steer, LeavesEverythingToTheKernelUntilItKnowsItsInterface) {
    const Bytes frame = ethernet(kOurMac, 0x0800, ipv4_to("203.0.113.10"));
    EXPECT_EQ(run(steer_.front(), frame).action, XDP_PASS);
}

TEST_F(Steer, FollowsTheVipsAsTheyComeAndGo) {
    ASSERT_TRUE(steer_.front().set_interface(kOurMac, 0, {}));
    const Bytes first = ethernet(kOurMac, 0x0800, ipv4_to("203.0.113.10"));
    const Bytes second = ethernet(kOurMac, 0x0800, ipv4_to("203.0.113.20"));
    EXPECT_EQ(run(steer_.front(), first).action, XDP_DROP);
    EXPECT_EQ(run(steer_.front(), second).action, XDP_PASS);
    ASSERT_TRUE(vips_.front().set({key_of("203.0.113.20"), key_of("203.0.113.20")}));
    EXPECT_EQ(run(steer_.front(), first).action, XDP_PASS);
    EXPECT_EQ(run(steer_.front(), second).action, XDP_DROP);
    ASSERT_TRUE(vips_.front().set({}));
    EXPECT_EQ(run(steer_.front(), second).action, XDP_PASS);
}

TEST_F(Steer, SaysHowManyVipsFit) {
    std::vector<steer_address> many;
    for (std::uint32_t i = 0; i <= STEER_MAX_VIPS; ++i) {
        steer_address vip = key_of("2001:db8:1::");
        vip.bytes[14] = static_cast<std::uint8_t>(i >> 8U);
        vip.bytes[15] = static_cast<std::uint8_t>(i & 0xFFU);
        many.push_back(vip);
    }
    const Status refused = vips_.front().set(many);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("at most 4096"), std::string::npos)
        << refused.error().message;
    many.pop_back();
    EXPECT_TRUE(vips_.front().set(many));
}

}  // namespace
}  // namespace fairlead
