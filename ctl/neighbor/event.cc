#include "ctl/neighbor/event.h"

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <linux/neighbour.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/object.h>
#include <netlink/route/link.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/neighbor/link.h"

namespace fairlead::neighbor {

namespace {

struct MessageDeleter {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
};

// The attributes behind a message's fixed part, by type; nothing where one is of a wrong size.
template <std::size_t Count>
using Attributes = std::array<nlattr*, Count>;

template <typename Header, std::size_t Count>
[[nodiscard]] bool parse(nlmsghdr* message, Attributes<Count>& attributes, nla_policy* policy) {
    return nlmsg_valid_hdr(message, static_cast<int>(sizeof(Header))) != 0 &&
           nlmsg_parse(message,
                       static_cast<int>(sizeof(Header)),
                       attributes.data(),
                       static_cast<int>(Count) - 1,
                       policy) == 0;
}

template <typename Header>
[[nodiscard]] Header header_of(nlmsghdr* message) {
    Header header{};
    std::memcpy(&header, nlmsg_data(message), sizeof header);
    return header;
}

[[nodiscard]] nla_policy at_least(std::size_t bytes) {
    nla_policy policy{};
    policy.type = NLA_UNSPEC;
    policy.minlen = static_cast<std::uint16_t>(bytes);
    return policy;
}

template <typename Number>
[[nodiscard]] Number number(nlattr* attribute) {
    Number value{};
    std::memcpy(&value, nla_data(attribute), sizeof value);
    return value;
}

[[nodiscard]] std::optional<IpAddress> address_of(const void* bytes, std::size_t length) {
    if (length == 4) {
        std::uint32_t raw = 0;
        std::memcpy(&raw, bytes, sizeof raw);
        return IpAddress::from_v4(Be32::from_raw(raw));
    }
    if (length == 16) {
        std::array<std::uint8_t, 16> raw{};
        std::memcpy(raw.data(), bytes, raw.size());
        return IpAddress::from_v6(raw);
    }
    return std::nullopt;
}

[[nodiscard]] bool is_ip(int family) {
    return family == AF_INET || family == AF_INET6;
}

// nullopt: there is none, or it is of another family.
[[nodiscard]] std::optional<IpAddress> address_of(nlattr* attribute, int family) {
    const std::size_t length = family == AF_INET ? 4 : 16;
    return attribute == nullptr || !is_ip(family) ||
                   static_cast<std::size_t>(nla_len(attribute)) != length
               ? std::nullopt
               : address_of(nla_data(attribute), length);
}

// IFLA_PROP_LIST, which libnl's links do not have.
[[nodiscard]] std::vector<std::string> alternative_names_of(nlmsghdr* message) {
    std::vector<std::string> names;
    Attributes<IFLA_MAX + 1> attributes{};
    if (!parse<ifinfomsg>(message, attributes, nullptr) || attributes[IFLA_PROP_LIST] == nullptr) {
        return names;
    }
    int left = nla_len(attributes[IFLA_PROP_LIST]);
    auto* property = static_cast<nlattr*>(nla_data(attributes[IFLA_PROP_LIST]));
    for (; nla_ok(property, left) != 0; property = nla_next(property, &left)) {
        const auto length = static_cast<std::size_t>(nla_len(property));
        if (nla_type(property) == IFLA_ALT_IFNAME && length != 0) {
            const auto* const text = static_cast<const char*>(nla_data(property));
            names.emplace_back(text, ::strnlen(text, length));
        }
    }
    return names;
}

[[nodiscard]] std::optional<Event> link_event(nlmsghdr* message) {
    if (nlmsg_valid_hdr(message, static_cast<int>(sizeof(ifinfomsg))) == 0) {
        return std::nullopt;
    }
    const auto header = header_of<ifinfomsg>(message);
    // A bridge tells of its ports by the same messages; the links stay what they are.
    if (header.ifi_family != AF_UNSPEC) {
        return std::nullopt;
    }
    if (message->nlmsg_type == RTM_DELLINK) {
        return LinkGone{header.ifi_index};
    }
    const std::unique_ptr<nl_msg, MessageDeleter> copy(nlmsg_convert(message));
    if (!copy) {
        return std::nullopt;
    }
    nlmsg_set_proto(copy.get(), NETLINK_ROUTE);
    std::optional<Event> event;
    const auto on_object = [](nl_object* object, void* to) {
        auto* const link = static_cast<rtnl_link*>(static_cast<void*>(object));
        *static_cast<std::optional<Event>*>(to) = LinkChanged{interface_of_link(link)};
    };
    (void)nl_msg_parse(copy.get(), on_object, &event);
    if (event) {
        std::get<LinkChanged>(*event).link.alternative_names = alternative_names_of(message);
    }
    return event;
}

[[nodiscard]] std::optional<Event> address_event(nlmsghdr* message) {
    std::array<nla_policy, IFA_MAX + 1> policy{};
    policy[IFA_FLAGS] = at_least(sizeof(std::uint32_t));
    Attributes<IFA_MAX + 1> attributes{};
    if (!parse<ifaddrmsg>(message, attributes, policy.data())) {
        return std::nullopt;
    }
    const auto header = header_of<ifaddrmsg>(message);
    // On a point-to-point link IFA_ADDRESS is the far end's.
    nlattr* const own =
        attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
    const std::optional<IpAddress> ip = address_of(own, header.ifa_family);
    if (!ip) {
        return std::nullopt;
    }
    const std::uint32_t flags = attributes[IFA_FLAGS] != nullptr
                                    ? number<std::uint32_t>(attributes[IFA_FLAGS])
                                    : header.ifa_flags;
    AddressChanged changed;
    changed.interface_index = static_cast<int>(header.ifa_index);
    changed.address = {
        *ip,
        header.ifa_scope == RT_SCOPE_UNIVERSE,
        (flags & (IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0,
    };
    changed.is_gone = message->nlmsg_type == RTM_DELADDR;
    return changed;
}

[[nodiscard]] Reachability reachability_of(std::uint16_t state) {
    if ((state & (NUD_PERMANENT | NUD_NOARP)) != 0) {
        return Reachability::kPermanent;
    }
    switch (state) {
        case NUD_INCOMPLETE:
            return Reachability::kIncomplete;
        case NUD_REACHABLE:
            return Reachability::kReachable;
        case NUD_STALE:
            return Reachability::kStale;
        case NUD_DELAY:
            return Reachability::kDelay;
        case NUD_PROBE:
            return Reachability::kProbe;
        case NUD_FAILED:
            return Reachability::kFailed;
        default:
            return Reachability::kUnknown;
    }
}

[[nodiscard]] bool has_mac(Reachability state) {
    switch (state) {
        case Reachability::kReachable:
        case Reachability::kStale:
        case Reachability::kDelay:
        case Reachability::kProbe:
        case Reachability::kPermanent:
            return true;
        case Reachability::kUnknown:
        case Reachability::kIncomplete:
        case Reachability::kFailed:
            break;
    }
    return false;
}

// In ticks of USER_HZ.
[[nodiscard]] Clock::duration age_of(nlattr* cache_info) {
    static const auto ticks_a_second = static_cast<std::uint32_t>(::sysconf(_SC_CLK_TCK));
    const auto info = number<nda_cacheinfo>(cache_info);
    return std::chrono::milliseconds(std::uint64_t{info.ndm_confirmed} * 1'000 / ticks_a_second);
}

[[nodiscard]] std::optional<Event> neighbor_event(nlmsghdr* message, Clock::time_point now) {
    std::array<nla_policy, NDA_MAX + 1> policy{};
    policy[NDA_CACHEINFO] = at_least(sizeof(nda_cacheinfo));
    policy[NDA_FLAGS_EXT] = at_least(sizeof(std::uint32_t));
    policy[NDA_PROTOCOL] = at_least(1);
    Attributes<NDA_MAX + 1> attributes{};
    if (!parse<ndmsg>(message, attributes, policy.data())) {
        return std::nullopt;
    }
    const auto header = header_of<ndmsg>(message);
    // A bridge's table of MAC addresses is of another family; proxy entries are no neighbors.
    const std::optional<IpAddress> ip = address_of(attributes[NDA_DST], header.ndm_family);
    if (!ip || (header.ndm_flags & NTF_PROXY) != 0) {
        return std::nullopt;
    }
    NeighborChanged changed{{header.ndm_ifindex, *ip}, std::nullopt};
    if (message->nlmsg_type == RTM_DELNEIGH) {
        return changed;
    }
    NeighborEntry entry;
    entry.state = reachability_of(header.ndm_state);
    nlattr* const link_address = attributes[NDA_LLADDR];
    if (MacAddress mac; has_mac(entry.state) && link_address != nullptr &&
                        static_cast<std::size_t>(nla_len(link_address)) == mac.bytes.size()) {
        std::memcpy(mac.bytes.data(), nla_data(link_address), mac.bytes.size());
        entry.mac = mac;
    }
    if (nlattr* const flags = attributes[NDA_FLAGS_EXT]; flags != nullptr) {
        entry.is_managed = (number<std::uint32_t>(flags) & NTF_EXT_MANAGED) != 0;
    }
    if (nlattr* const protocol = attributes[NDA_PROTOCOL]; protocol != nullptr) {
        entry.is_ours = number<std::uint8_t>(protocol) == kNeighborProtocol;
    }
    if (nlattr* const info = attributes[NDA_CACHEINFO]; info != nullptr) {
        entry.confirmed = now - age_of(info);
    }
    changed.entry = entry;
    return changed;
}

[[nodiscard]] std::optional<Event> route_event(nlmsghdr* message) {
    Attributes<RTA_MAX + 1> attributes{};
    if (!parse<rtmsg>(message, attributes, nullptr)) {
        return std::nullopt;
    }
    const auto header = header_of<rtmsg>(message);
    const unsigned bits = header.rtm_family == AF_INET ? 32 : 128;
    // What the kernel keeps of a path (an exception) is no route that anybody has set.
    if (!is_ip(header.rtm_family) || (header.rtm_flags & RTM_F_CLONED) != 0 ||
        header.rtm_dst_len > bits) {
        return std::nullopt;
    }
    IpAddress any;  // of the default route, which has no RTA_DST
    if (header.rtm_family == AF_INET) {
        any = IpAddress::from_v4(Be32::from_raw(0));
    }
    const auto destination = address_of(attributes[RTA_DST], header.rtm_family);
    return RouteChanged{{destination.value_or(any), header.rtm_dst_len}};
}

// struct rtvia: the family, then the address. An IPv4 route may have an IPv6 gateway (RFC 5549).
[[nodiscard]] std::optional<IpAddress> via_of(nlattr* attribute) {
    std::uint16_t family = 0;
    const auto length = static_cast<std::size_t>(nla_len(attribute));
    if (length < sizeof family) {
        return std::nullopt;
    }
    std::memcpy(&family, nla_data(attribute), sizeof family);
    const std::size_t bytes = length - sizeof family;
    if ((family == AF_INET && bytes != 4) || (family == AF_INET6 && bytes != 16)) {
        return std::nullopt;
    }
    return address_of(static_cast<const char*>(nla_data(attribute)) + sizeof family, bytes);
}

}  // namespace

std::optional<Event> event_of(nlmsghdr* message, Clock::time_point now) {
    switch (message->nlmsg_type) {
        case RTM_NEWLINK:
        case RTM_DELLINK:
            return link_event(message);
        case RTM_NEWADDR:
        case RTM_DELADDR:
            return address_event(message);
        case RTM_NEWNEIGH:
        case RTM_DELNEIGH:
            return neighbor_event(message, now);
        case RTM_NEWROUTE:
        case RTM_DELROUTE:
            return route_event(message);
        case RTM_NEWRULE:
        case RTM_DELRULE:
            if (nlmsg_valid_hdr(message, static_cast<int>(sizeof(rtmsg))) != 0) {
                const int family = header_of<rtmsg>(message).rtm_family;
                return is_ip(family) ? std::optional<Event>(RulesChanged{family == AF_INET})
                                     : std::nullopt;
            }
            return std::nullopt;
        case RTM_NEWNEXTHOP:
        case RTM_DELNEXTHOP:
            return RulesChanged{std::nullopt};
        default:
            return std::nullopt;
    }
}

std::optional<Route> route_of(nlmsghdr* message) {
    std::array<nla_policy, RTA_MAX + 1> policy{};
    policy[RTA_OIF] = at_least(sizeof(std::int32_t));
    Attributes<RTA_MAX + 1> attributes{};
    if (message->nlmsg_type != RTM_NEWROUTE || !parse<rtmsg>(message, attributes, policy.data())) {
        return std::nullopt;
    }
    const auto header = header_of<rtmsg>(message);
    Route route;
    route.is_unicast = header.rtm_type == RTN_UNICAST;
    route.is_of_kernel = header.rtm_protocol == RTPROT_KERNEL;
    if (nlattr* const interface = attributes[RTA_OIF]; interface != nullptr) {
        route.interface_index = number<std::int32_t>(interface);
    }
    route.gateway = address_of(attributes[RTA_GATEWAY], header.rtm_family);
    if (nlattr* const via = attributes[RTA_VIA]; via != nullptr && !route.gateway) {
        route.gateway = via_of(via);
    }
    route.source = address_of(attributes[RTA_PREFSRC], header.rtm_family);
    return route;
}

}  // namespace fairlead::neighbor
