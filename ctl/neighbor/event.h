// What the kernel tells of its links, addresses, neighbors, routes and rules (rtnetlink(7)): the
// same messages come as answers and, unasked, when something changes.
//
// A message is bytes: its length bounds what is read, attributes of a wrong size make it no event.
// Thread: any.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <variant>

#include "conf/schema/config.h"
#include "ctl/neighbor/port_facts.h"
#include "dp/net/ip_address.h"
#include "dp/net/mac_address.h"

struct nlmsghdr;

namespace fairlead::neighbor {

using Clock = std::chrono::steady_clock;

// Marks a neighbor entry as kept for this program (NDA_PROTOCOL, `proto` of `ip neigh`): numbers
// above RTPROT_STATIC are the programs' own, and this one has no name in rtnetlink.h.
constexpr std::uint8_t kNeighborProtocol = 150;

// A neighbor's place in the kernel's tables.
struct NextHop {
    int interface_index = 0;
    IpAddress address;
    friend bool operator==(const NextHop&, const NextHop&) = default;
    // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the defaulted comparison for a 0
    friend auto operator<=>(const NextHop&, const NextHop&) = default;
};

// An entry's state by RFC 4861, 7.3.2, and those that the kernel adds.
enum class Reachability : std::uint8_t {
    kUnknown,     // not asked for
    kIncomplete,  // asked, no answer yet
    kReachable,
    kStale,
    kDelay,
    kProbe,
    kFailed,    // no answer
    kPermanent  // somebody wrote it in, or the link has no such protocol: left alone
};

struct NeighborEntry {
    std::optional<MacAddress> mac;  // nullopt: not answered yet, or no answer
    Reachability state = Reachability::kUnknown;
    bool is_managed = false;  // the kernel asks again by itself (NTF_EXT_MANAGED)
    bool is_ours = false;     // has kNeighborProtocol
    // When the kernel last had word of it. Of a MAC address that nobody has confirmed yet the
    // kernel makes up a time that is twice its base_reachable_time_ms ago.
    Clock::time_point confirmed{};
};

struct LinkChanged {
    Interface link;  // without addresses
};
struct LinkGone {
    int index = 0;
};
struct AddressChanged {
    int interface_index = 0;
    LocalAddress address;
    bool is_gone = false;
};
struct NeighborChanged {
    NextHop hop;
    std::optional<NeighborEntry> entry;  // nullopt: gone
};
// A route to exactly this prefix came, went or changed, in any table.
struct RouteChanged {
    conf::PortConfig::Prefix prefix;
};
// Rules of one family, or the next hops that routes share: what hangs on them is not told.
struct RulesChanged {
    std::optional<bool> is_v4;  // nullopt: both
};

using Event = std::
    variant<LinkChanged, LinkGone, AddressChanged, NeighborChanged, RouteChanged, RulesChanged>;

// What a message tells; nullopt for any other, and for one that cannot be read. Requires the whole
// message behind `message`, as nlmsg_ok() says. Ages count from `now`.
[[nodiscard]] std::optional<Event> event_of(nlmsghdr* message, Clock::time_point now);

// How this host sends to a destination.
struct Route {
    bool is_unicast = false;  // neither local, blackhole nor unreachable
    int interface_index = 0;
    std::optional<IpAddress> gateway;  // nullopt: on the link
    std::optional<IpAddress> source;   // nullopt: this host has none for it
    bool is_of_kernel = false;         // made by the kernel for an address of an interface
    std::optional<bool> names_source;  // somebody wrote it into the route; nullopt: not looked up
};

// An answer to RTM_GETROUTE.
[[nodiscard]] std::optional<Route> route_of(nlmsghdr* message);

}  // namespace fairlead::neighbor
