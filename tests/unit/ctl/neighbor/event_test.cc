// The kernel's messages, made here attribute by attribute, whole, cut and of the wrong sizes.
#include "ctl/neighbor/event.h"

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <gtest/gtest.h>

namespace fairlead::neighbor {
namespace {

struct MessageDeleter {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
};
using Message = std::unique_ptr<nl_msg, MessageDeleter>;

constexpr Clock::time_point kNow{std::chrono::hours(1000)};
constexpr std::array<std::uint8_t, 6> kMac{2, 0, 0, 0, 4, 1};

IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}

void put(nl_msg* message, int type, const IpAddress& address) {
    const auto& bytes = address.bytes();
    const int skipped = address.is_v4() ? 12 : 0;
    nla_put(message, type, 16 - skipped, bytes.data() + skipped);
}

template <typename Header>
Message make(int type, Header header) {
    Message message(nlmsg_alloc_simple(type, 0));
    nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO);
    return message;
}

Message neighbor(std::uint16_t state, int type = RTM_NEWNEIGH) {
    ndmsg header{};
    header.ndm_family = AF_INET;
    header.ndm_ifindex = 3;
    header.ndm_state = state;
    Message message = make(type, header);
    put(message.get(), NDA_DST, ip("10.0.0.7"));
    nla_put(message.get(), NDA_LLADDR, kMac.size(), kMac.data());
    nda_cacheinfo info{};
    info.ndm_confirmed = 1'500;  // of 1/100 s
    nla_put(message.get(), NDA_CACHEINFO, sizeof info, &info);
    nla_put_u32(message.get(), NDA_FLAGS_EXT, NTF_EXT_MANAGED);
    nla_put_u8(message.get(), NDA_PROTOCOL, kNeighborProtocol);
    return message;
}

template <typename Kind>
std::optional<Kind> read(const Message& message) {
    const std::optional<Event> event = event_of(nlmsg_hdr(message.get()), kNow);
    const auto* kind = event ? std::get_if<Kind>(&*event) : nullptr;
    return kind != nullptr ? std::optional(*kind) : std::nullopt;
}

// An interface with these alternative names.
Message link(const std::vector<std::string>& names) {
    ifinfomsg header{};
    header.ifi_index = 3;
    Message message = make(RTM_NEWLINK, header);
    nla_put_string(message.get(), IFLA_IFNAME, "eth0");
    nlattr* const list = nla_nest_start(message.get(), IFLA_PROP_LIST);
    for (const std::string& name : names) {
        nla_put_string(message.get(), IFLA_ALT_IFNAME, name.c_str());
    }
    nla_nest_end(message.get(), list);
    return message;
}

TEST(Event, TellsAnInterfacesAlternativeNamesOfEveryLength) {
    const std::vector<std::string> names{"wan", std::string(127, 'w')};
    const auto changed = read<LinkChanged>(link(names));
    ASSERT_TRUE(changed);
    EXPECT_EQ(changed->link.name, "eth0");
    EXPECT_EQ(changed->link.alternative_names, names);
    EXPECT_TRUE(read<LinkChanged>(link({}))->link.alternative_names.empty());
}

TEST(Event, OfALinkThatIsCutNoAlternativeNameIsMadeUp) {
    const std::vector<std::string> names{"wan", "the-other-one"};
    const Message whole = link(names);
    const nlmsghdr* const header = nlmsg_hdr(whole.get());
    for (std::uint32_t length = sizeof(nlmsghdr); length < header->nlmsg_len; ++length) {
        // A block of exactly this size: a sanitizer sees every step outside.
        std::vector<std::uint8_t> bytes(length);
        std::memcpy(bytes.data(), header, length);
        auto* const cut = static_cast<nlmsghdr*>(static_cast<void*>(bytes.data()));
        cut->nlmsg_len = length;
        const auto event = event_of(cut, kNow);
        if (event) {
            EXPECT_TRUE(std::get<LinkChanged>(*event).link.alternative_names.empty()) << length;
        }
    }
}

TEST(Event, TellsANeighborsStateItsAgeAndWhoKeepsIt) {
    const auto changed = read<NeighborChanged>(neighbor(NUD_REACHABLE));
    ASSERT_TRUE(changed && changed->entry);
    EXPECT_EQ(changed->hop, (NextHop{3, ip("10.0.0.7")}));
    EXPECT_EQ(changed->entry->mac->bytes, kMac);
    EXPECT_EQ(changed->entry->state, Reachability::kReachable);
    EXPECT_TRUE(changed->entry->is_managed && changed->entry->is_ours);
    EXPECT_EQ(kNow - changed->entry->confirmed, std::chrono::seconds(15));
    EXPECT_FALSE(read<NeighborChanged>(neighbor(NUD_FAILED))->entry->mac);
    EXPECT_FALSE(read<NeighborChanged>(neighbor(NUD_INCOMPLETE))->entry->mac);
    EXPECT_EQ(read<NeighborChanged>(neighbor(NUD_NOARP))->entry->state, Reachability::kPermanent);
    EXPECT_FALSE(read<NeighborChanged>(neighbor(NUD_REACHABLE, RTM_DELNEIGH))->entry);
}

TEST(Event, TellsThePrefixOfARouteAndNotWhatTheKernelKeepsOfAPath) {
    rtmsg header{};
    header.rtm_family = AF_INET;
    header.rtm_dst_len = 24;
    Message message = make(RTM_NEWROUTE, header);
    put(message.get(), RTA_DST, ip("10.3.0.0"));
    auto changed = read<RouteChanged>(message);
    ASSERT_TRUE(changed);
    EXPECT_EQ(changed->prefix.address, ip("10.3.0.0"));
    EXPECT_EQ(changed->prefix.length, 24);
    header.rtm_flags = RTM_F_CLONED;
    EXPECT_FALSE(read<RouteChanged>(make(RTM_NEWROUTE, header)));
    header.rtm_flags = 0;
    header.rtm_dst_len = 33;
    EXPECT_FALSE(read<RouteChanged>(make(RTM_NEWROUTE, header)));
    header.rtm_dst_len = 0;
    EXPECT_EQ(read<RouteChanged>(make(RTM_DELROUTE, header))->prefix.address, ip("0.0.0.0"));
    header.rtm_family = AF_INET6;
    EXPECT_EQ(read<RouteChanged>(make(RTM_DELROUTE, header))->prefix.address, IpAddress{});
    EXPECT_EQ(read<RulesChanged>(make(RTM_NEWRULE, header))->is_v4, false);
}

TEST(Event, TellsAnAddressAndWhetherItIsPreferred) {
    ifaddrmsg header{};
    header.ifa_family = AF_INET6;
    header.ifa_index = 4;
    Message message = make(RTM_NEWADDR, header);
    put(message.get(), IFA_ADDRESS, ip("fd00::2"));
    auto changed = read<AddressChanged>(message);
    ASSERT_TRUE(changed);
    EXPECT_EQ(changed->interface_index, 4);
    EXPECT_EQ(changed->address, (LocalAddress{ip("fd00::2"), true, true}));
    nla_put_u32(message.get(), IFA_FLAGS, IFA_F_DEPRECATED);
    EXPECT_FALSE(read<AddressChanged>(message)->address.is_preferred);
    put(message.get(), IFA_LOCAL, ip("10.0.0.1"));
    EXPECT_FALSE(read<AddressChanged>(message)) << "an address of the other family";
}

TEST(Event, AnAnswerTellsTheGatewayOfTheOtherFamilyAndTheSource) {
    rtmsg header{};
    header.rtm_family = AF_INET;
    header.rtm_type = RTN_UNICAST;
    Message message = make(RTM_NEWROUTE, header);
    nla_put_u32(message.get(), RTA_OIF, 3);
    put(message.get(), RTA_PREFSRC, ip("192.0.2.7"));
    std::array<std::uint8_t, 18> via{AF_INET6, 0, 0xFE, 0x80};
    via[17] = 1;
    nla_put(message.get(), RTA_VIA, via.size(), via.data());
    const std::optional<Route> route = route_of(nlmsg_hdr(message.get()));
    ASSERT_TRUE(route);
    EXPECT_TRUE(route->is_unicast);
    EXPECT_EQ(route->interface_index, 3);
    EXPECT_EQ(route->gateway, ip("fe80::1"));
    EXPECT_EQ(route->source, ip("192.0.2.7"));
}

// Each message is read from a place of its very size, so that a sanitizer sees a step beyond it.
TEST(Event, CutMessagesAndAttributesOfWrongSizesAreNoEventsOrLess) {
    const Message whole = neighbor(NUD_REACHABLE);
    const nlmsghdr* const header = nlmsg_hdr(whole.get());
    for (std::uint32_t length = sizeof(nlmsghdr); length < header->nlmsg_len; ++length) {
        std::vector<std::uint32_t> place((length + 3) / 4);
        std::memcpy(place.data(), header, length);
        auto* const cut = static_cast<nlmsghdr*>(static_cast<void*>(place.data()));
        cut->nlmsg_len = length;
        (void)event_of(cut, kNow);
        (void)route_of(cut);
    }
    Message small = make(RTM_NEWNEIGH, ndmsg{.ndm_family = AF_INET});
    put(small.get(), NDA_DST, ip("10.0.0.7"));
    nla_put_u8(small.get(), NDA_CACHEINFO, 1);
    EXPECT_FALSE(read<NeighborChanged>(small));
    Message odd = make(RTM_NEWNEIGH, ndmsg{.ndm_family = AF_INET6});
    put(odd.get(), NDA_DST, ip("10.0.0.7"));
    EXPECT_FALSE(read<NeighborChanged>(odd)) << "an address of the other family";
}

}  // namespace
}  // namespace fairlead::neighbor
