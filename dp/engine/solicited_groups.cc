#include "dp/engine/solicited_groups.h"

#include <cerrno>
#include <cstring>
#include <set>

#include <fmt/format.h>
#include <sys/socket.h>

#include "dp/base/error_text.h"

namespace fairlead::engine {
namespace {

std::uint32_t last_bytes_of(const IpAddress& address) {
    const auto& bytes = address.bytes();
    return std::uint32_t{bytes[13]} << 16U | std::uint32_t{bytes[14]} << 8U | bytes[15];
}

in6_addr group_of(std::uint32_t last_bytes) {
    in6_addr group{};
    group.s6_addr[0] = 0xFF;
    group.s6_addr[1] = 0x02;
    group.s6_addr[11] = 0x01;
    group.s6_addr[12] = 0xFF;
    group.s6_addr[13] = static_cast<std::uint8_t>(last_bytes >> 16U);
    group.s6_addr[14] = static_cast<std::uint8_t>(last_bytes >> 8U);
    group.s6_addr[15] = static_cast<std::uint8_t>(last_bytes);
    return group;
}

// 0, or the error's number.
int ask(int fd, int option, unsigned interface_index, std::uint32_t last_bytes) {
    const ipv6_mreq request{group_of(last_bytes), interface_index};
    return ::setsockopt(fd, IPPROTO_IPV6, option, &request, sizeof request) == 0 ? 0 : errno;
}

}  // namespace

in6_addr solicited_group_of(const IpAddress& address) {
    return group_of(last_bytes_of(address));
}

// 0, or the error's number.
int SolicitedGroups::join(const Membership& wanted) {
    int error = ENOMEM;
    if (!sockets_.empty()) {
        error = ask(sockets_.back().get(), IPV6_JOIN_GROUP, wanted.first, wanted.second);
    }
    if (error == ENOMEM || error == ENOBUFS) {  // the socket is full
        Descriptor fresh(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        if (!fresh.is_open()) {
            return errno;
        }
        error = ask(fresh.get(), IPV6_JOIN_GROUP, wanted.first, wanted.second);
        if (error != 0) {
            return error;
        }
        sockets_.push_back(std::move(fresh));
    }
    if (error == 0) {
        joined_[wanted] = sockets_.back().get();
    }
    return error;
}

Status SolicitedGroups::follow(std::span<const IpAddress> vips,
                               std::span<const unsigned> interface_indexes) {
    std::set<Membership> wanted;
    for (const IpAddress& vip : vips) {
        for (const unsigned index : interface_indexes) {
            if (!vip.is_v4()) {
                wanted.emplace(index, last_bytes_of(vip));
            }
        }
    }
    for (auto joined = joined_.begin(); joined != joined_.end();) {
        if (wanted.contains(joined->first)) {
            ++joined;
            continue;
        }
        // An error says that the interface is gone, and the membership with it.
        (void)ask(joined->second, IPV6_LEAVE_GROUP, joined->first.first, joined->first.second);
        joined = joined_.erase(joined);
    }
    Status result;
    for (const Membership& membership : wanted) {
        if (joined_.contains(membership)) {
            continue;
        }
        if (const int error = join(membership); error != 0 && result) {
            result = fail(fmt::format(
                "the interface with index {} cannot become a member of the solicited-node group of "
                "a VIP: {}; neighbors that ask for the VIP may not be heard",
                membership.first,
                error_text(error)));
        }
    }
    return result;
}

}  // namespace fairlead::engine
