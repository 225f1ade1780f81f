// VLAN interfaces as the kernel tells of them: messages made here, attribute by attribute, read by
// libnl.
#include "ctl/neighbor/link.h"

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/msg.h>
#include <netlink/object.h>
#include <netlink/route/link.h>

#include <gtest/gtest.h>

#include "ctl/neighbor/port_facts.h"

namespace fairlead::neighbor {
namespace {

struct MessageDeleter {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
};
using Message = std::unique_ptr<nl_msg, MessageDeleter>;

constexpr std::array<std::uint8_t, 6> kMac{2, 0, 0, 0, 0, 1};

// RTM_NEWLINK of a link of the given kind, "" for none.
struct Link {
    int index = 5;
    const char* name = "eth0.7";
    const char* kind = "vlan";
    std::optional<int> parent = 2;
    std::optional<int> other_namespace;
    std::optional<std::uint16_t> vlan = 7;
    std::optional<std::uint16_t> protocol = ETH_P_8021Q;
    std::array<std::uint8_t, 6> mac = kMac;
    unsigned flags = IFF_UP;
};

Message message_of(const Link& link) {
    Message message(nlmsg_alloc_simple(RTM_NEWLINK, 0));
    nl_msg* const to = message.get();
    ifinfomsg header{};
    header.ifi_family = AF_UNSPEC;
    header.ifi_type = ARPHRD_ETHER;
    header.ifi_index = link.index;
    header.ifi_flags = link.flags;
    nlmsg_append(to, &header, sizeof header, NLMSG_ALIGNTO);
    nla_put_string(to, IFLA_IFNAME, link.name);
    nla_put_u32(to, IFLA_MTU, 1'496);
    nla_put(to, IFLA_ADDRESS, static_cast<int>(link.mac.size()), link.mac.data());
    if (link.parent) {
        nla_put_u32(to, IFLA_LINK, static_cast<std::uint32_t>(*link.parent));
    }
    if (link.other_namespace) {
        nla_put_s32(to, IFLA_LINK_NETNSID, *link.other_namespace);
    }
    if (*link.kind != '\0') {
        nlattr* const info = nla_nest_start(to, IFLA_LINKINFO);
        nla_put_string(to, IFLA_INFO_KIND, link.kind);
        nlattr* const data = nla_nest_start(to, IFLA_INFO_DATA);
        if (link.vlan) {
            nla_put_u16(to, IFLA_VLAN_ID, *link.vlan);
        }
        if (link.protocol) {
            nla_put_u16(to, IFLA_VLAN_PROTOCOL, htons(*link.protocol));
        }
        nla_nest_end(to, data);
        nla_nest_end(to, info);
    }
    nlmsg_set_proto(to, NETLINK_ROUTE);
    return message;
}

// What stands in a message; nullopt where libnl refuses it.
std::optional<Interface> read(nl_msg* message) {
    std::optional<Interface> found;
    const auto on_object = [](nl_object* object, void* to) {
        auto* const link = static_cast<rtnl_link*>(static_cast<void*>(object));
        *static_cast<std::optional<Interface>*>(to) = interface_of_link(link);
    };
    (void)nl_msg_parse(message, on_object, &found);
    return found;
}

std::optional<Interface> read(const Link& link) {
    const Message message = message_of(link);
    return read(message.get());
}

TEST(InterfaceOfLink, TellsAVlanInterfaceFromOthers) {
    const std::optional<Interface> vlan = read(Link{});
    ASSERT_TRUE(vlan);
    EXPECT_EQ(vlan->index, 5);
    EXPECT_EQ(vlan->name, "eth0.7");
    EXPECT_EQ(vlan->mac.bytes, kMac);
    EXPECT_EQ(vlan->mtu_bytes, 1'496U);
    EXPECT_TRUE(vlan->is_up);
    EXPECT_EQ(vlan->vlan, 7);
    EXPECT_EQ(vlan->parent_index, 2);

    for (const Link& other : {Link{.kind = ""},
                              Link{.kind = "veth", .vlan = {}, .protocol = {}},
                              Link{.kind = "ipvlan", .vlan = {}, .protocol = {}},
                              Link{.vlan = {}},
                              Link{.vlan = 0},
                              Link{.protocol = ETH_P_8021AD},
                              Link{.other_namespace = 0},
                              Link{.other_namespace = 3}}) {
        const std::optional<Interface> interface = read(other);
        ASSERT_TRUE(interface);
        EXPECT_EQ(interface->vlan, 0) << other.kind;
        EXPECT_EQ(interface->parent_index, 0) << other.kind;
        EXPECT_EQ(interface->index, 5);
    }
    EXPECT_EQ(read(Link{.protocol = {}})->vlan, 7) << "an old kernel does not say which tag";
}

TEST(InterfaceOfLink, TellsAMacvlanAndWhatItIsOn) {
    constexpr std::array<std::uint8_t, 6> kVirtual{0, 0, 0x5E, 0, 1, 51};
    Link link{.name = "vrrp.51", .kind = "macvlan", .vlan = {}, .protocol = {}, .mac = kVirtual};
    std::optional<Interface> macvlan = read(link);
    ASSERT_TRUE(macvlan);
    EXPECT_TRUE(macvlan->is_macvlan);
    EXPECT_EQ(macvlan->parent_index, 2);
    EXPECT_EQ(macvlan->vlan, 0);
    EXPECT_EQ(macvlan->mac.bytes, kVirtual);
    EXPECT_TRUE(macvlan->is_up);
    EXPECT_FALSE(macvlan->has_carrier);
    link.flags = IFF_UP | IFF_RUNNING;
    EXPECT_TRUE(read(link)->has_carrier);

    link.other_namespace = 0;
    macvlan = read(link);
    EXPECT_FALSE(macvlan->is_macvlan);
    EXPECT_EQ(macvlan->parent_index, 0);
    for (const char* kind : {"veth", "macvtap", "ipvlan", "", "macvla", "macvlans"}) {
        EXPECT_FALSE(read(Link{.kind = kind, .vlan = {}, .protocol = {}})->is_macvlan) << kind;
    }
}

TEST(InterfaceOfLink, CutMessagesAreReadToTheirEndAndNoFurther) {
    const Message whole = message_of(Link{});
    const nlmsghdr* const header = nlmsg_hdr(whole.get());
    for (std::uint32_t length = sizeof(nlmsghdr); length < header->nlmsg_len; ++length) {
        // A block of exactly this size: a sanitizer sees every step outside.
        std::vector<std::uint8_t> bytes(length);
        std::memcpy(bytes.data(), header, length);
        auto* const cut = static_cast<nlmsghdr*>(static_cast<void*>(bytes.data()));
        cut->nlmsg_len = length;
        const Message message(nlmsg_convert(cut));
        nlmsg_set_proto(message.get(), NETLINK_ROUTE);
        const std::optional<Interface> interface = read(message.get());
        if (interface && interface->vlan != 0) {
            EXPECT_EQ(interface->vlan, 7) << length;
        }
    }
}

class FacingInterface : public testing::Test {
  protected:
    FacingInterface() {
        port_.name = "edge";
        port_.interface = "eth0";
        port_.vlan = 7;
        Interface parent{.index = 2, .name = "eth0", .mac = {kMac}, .mtu_bytes = 1'500};
        parent.is_up = true;
        parent.addresses = {*IpAddress::parse("192.0.2.2")};
        interfaces_ = {parent, tagged(9, "eth1.7", 3, 7), tagged(4, "eth0.8", 2, 8)};
    }
    static Interface tagged(int index, const char* name, int parent, std::uint16_t vlan) {
        Interface interface {
            .index = index, .name = name, .mac = {{2, 0, 0, 0, 0, 9}}, .mtu_bytes = 1'400
        };
        interface.is_up = true;
        interface.addresses = {*IpAddress::parse("10.0.7.2"), *IpAddress::parse("fd00:7::2")};
        interface.parent_index = parent;
        interface.vlan = vlan;
        return interface;
    }

    conf::PortConfig port_;
    std::vector<Interface> interfaces_;
};

TEST_F(FacingInterface, IsTheVlansWithTheMacAddressOfItsParent) {
    interfaces_.push_back(tagged(5, "customers", 2, 7));
    const std::optional<Interface> facing = facing_interface(port_, interfaces_);
    ASSERT_TRUE(facing);
    EXPECT_EQ(facing->index, 5);
    EXPECT_EQ(facing->name, "customers");
    const publish::DesiredPort desired = desired_port(port_, &*facing);
    EXPECT_EQ(desired.vlan, 7);
    EXPECT_EQ(desired.mac.bytes, kMac);
    EXPECT_EQ(desired.mtu_bytes, 1'400U);
    EXPECT_EQ(desired.tunnel_source_v4, *IpAddress::parse("10.0.7.2"));
    EXPECT_EQ(desired.tunnel_source_v6, *IpAddress::parse("fd00:7::2"));
}

TEST_F(FacingInterface, HasNeitherIndexNorAddressWhereTheVlansIsMissing) {
    const std::optional<Interface> facing = facing_interface(port_, interfaces_);
    ASSERT_TRUE(facing);
    EXPECT_EQ(facing->index, 0);
    EXPECT_TRUE(facing->addresses.empty());
    EXPECT_EQ(desired_port(port_, &*facing).mac.bytes, kMac);
    port_.interface = "eth9";
    EXPECT_FALSE(facing_interface(port_, interfaces_));
}

TEST_F(FacingInterface, IsDownWithItsParent) {
    interfaces_.push_back(tagged(5, "eth0.7", 2, 7));
    interfaces_.front().is_up = false;
    EXPECT_FALSE(facing_interface(port_, interfaces_)->is_up);
}

TEST_F(FacingInterface, IsTheNamedOneOfAPortWithoutAVlan) {
    port_.vlan = 0;
    interfaces_.push_back(tagged(5, "eth0.7", 2, 7));
    const std::optional<Interface> facing = facing_interface(port_, interfaces_);
    ASSERT_TRUE(facing);
    EXPECT_EQ(facing->index, 2);
    EXPECT_EQ(facing->addresses.front(), *IpAddress::parse("192.0.2.2"));
}

// A port's interface and a macvlan on it that has a virtual router's address, as of a master.
class VirtualMacsOfPort : public testing::Test {
  protected:
    static constexpr MacAddress kVirtual{{0, 0, 0x5E, 0, 1, 51}};

    VirtualMacsOfPort() {
        port_.name = "edge";
        port_.interface = "eth0";
        Interface named{.index = 2, .name = "eth0", .mac = {kMac}, .mtu_bytes = 1'500};
        named.is_up = named.has_carrier = true;
        Interface macvlan{.index = 5, .name = "vrrp.51", .mac = kVirtual};
        macvlan.is_up = macvlan.has_carrier = macvlan.is_macvlan = true;
        macvlan.parent_index = 2;
        macvlan.addresses = {*IpAddress::parse("203.0.113.10")};
        interfaces_ = {named, macvlan};
    }
    Interface& macvlan() { return interfaces_[1]; }
    [[nodiscard]] VirtualMacs published() const {
        const std::optional<Interface> facing = facing_interface(port_, interfaces_);
        return desired_port(port_, facing ? &*facing : nullptr).virtual_macs;
    }
    [[nodiscard]] bool has(const MacAddress& mac) const { return published().has(mac); }

    conf::PortConfig port_;
    std::vector<Interface> interfaces_;
};

TEST_F(VirtualMacsOfPort, AreThoseOfMacvlansThatAreUpAndRunAndHaveAnAddress) {
    VirtualMacs only;
    only.add(kVirtual);
    EXPECT_EQ(published(), only);
    macvlan().is_up = false;
    EXPECT_EQ(published(), VirtualMacs{}) << "down";
    macvlan().is_up = true;
    macvlan().has_carrier = false;
    EXPECT_EQ(published(), VirtualMacs{}) << "FRR's backup";
    macvlan().has_carrier = true;
    macvlan().addresses.clear();
    EXPECT_EQ(published(), VirtualMacs{}) << "keepalived's backup";
    macvlan().addresses = {*IpAddress::parse("2001:db8::10")};
    EXPECT_EQ(published(), only) << "of whichever family";
}

TEST_F(VirtualMacsOfPort, AreOfTheTwoRangesAlone) {
    for (const MacAddress& mac : {MacAddress{{0, 0, 0x5E, 0, 2, 1}},
                                  MacAddress{{0, 0, 0x5E, 0, 2, 255}},
                                  MacAddress{{0, 0, 0x5E, 0, 1, 255}}}) {
        macvlan().mac = mac;
        EXPECT_TRUE(has(mac)) << mac.text().data();
        EXPECT_FALSE(has(kVirtual));
    }
    for (const MacAddress& mac : {MacAddress{{0, 0, 0x5E, 0, 1, 0}},
                                  MacAddress{{0, 0, 0x5E, 0, 0, 51}},
                                  MacAddress{{0, 0, 0x5E, 0, 3, 51}},
                                  MacAddress{{2, 0, 0x5E, 0, 1, 51}},
                                  MacAddress{{2, 0, 0, 0, 0, 9}},
                                  MacAddress{}}) {
        macvlan().mac = mac;
        EXPECT_EQ(published(), VirtualMacs{}) << mac.text().data();
    }
}

TEST_F(VirtualMacsOfPort, AreNotThoseOfOtherInterfaces) {
    macvlan().parent_index = 3;
    EXPECT_EQ(published(), VirtualMacs{}) << "a macvlan on another interface";
    macvlan().parent_index = 0;
    EXPECT_EQ(published(), VirtualMacs{}) << "or on one elsewhere";
    macvlan().parent_index = 2;
    macvlan().is_macvlan = false;
    EXPECT_EQ(published(), VirtualMacs{}) << "a veth whose peer is the port's";
    macvlan().is_macvlan = true;
    interfaces_.erase(interfaces_.begin());
    EXPECT_EQ(published(), VirtualMacs{}) << "the port's is not there";
}

TEST_F(VirtualMacsOfPort, MayBeTheInterfacesOwn) {
    Interface& named = interfaces_.front();
    named.mac = {{0, 0, 0x5E, 0, 2, 7}};
    EXPECT_FALSE(has(named.mac)) << "it has no address";
    named.addresses = {*IpAddress::parse("192.0.2.2")};
    EXPECT_TRUE(has(named.mac));
    EXPECT_TRUE(has(kVirtual));
}

TEST_F(VirtualMacsOfPort, OfAPortWithAVlanAreThoseOnTheVlansInterface) {
    port_.vlan = 7;
    EXPECT_EQ(published(), VirtualMacs{}) << "there is no VLAN interface, and untagged is not its";
    Interface tagged{.index = 9, .name = "eth0.7", .mac = {kMac}};
    tagged.is_up = tagged.has_carrier = true;
    tagged.parent_index = 2;
    tagged.vlan = 7;
    interfaces_.push_back(tagged);
    EXPECT_EQ(published(), VirtualMacs{});
    macvlan().parent_index = 9;
    EXPECT_TRUE(has(kVirtual));
}

TEST_F(VirtualMacsOfPort, AVdevHasNone) {
    EXPECT_EQ(desired_port(port_, nullptr).virtual_macs, VirtualMacs{});
}

}  // namespace
}  // namespace fairlead::neighbor
