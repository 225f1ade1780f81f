#include "bpf/loader/tc_filters.h"

#include <array>
#include <cstdint>
#include <cstring>

#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "dp/base/descriptor.h"

namespace fairlead {
namespace {

// A dump of no filters is one message, NLMSG_DONE (rtnetlink(7)).
bool has_filters_at(unsigned interface_index, std::uint32_t parent) {
    struct {
        nlmsghdr header;
        tcmsg body;
    } request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = RTM_GETTFILTER;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.body.tcm_family = AF_UNSPEC;
    request.body.tcm_ifindex = static_cast<int>(interface_index);
    request.body.tcm_parent = parent;
    const Descriptor kernel(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    alignas(nlmsghdr) std::array<char, 8192> answer{};
    if (!kernel.is_open() ||
        send(kernel.get(), &request, sizeof request, 0) != static_cast<ssize_t>(sizeof request)) {
        return true;
    }
    const ssize_t bytes = recv(kernel.get(), answer.data(), answer.size(), 0);
    if (bytes < static_cast<ssize_t>(sizeof(nlmsghdr))) {
        return true;
    }
    nlmsghdr first{};
    std::memcpy(&first, answer.data(), sizeof first);
    return first.nlmsg_type != NLMSG_DONE;
}

}  // namespace

bool has_tc_filters(unsigned interface_index) {
    return has_filters_at(interface_index, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)) ||
           has_filters_at(interface_index, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS));
}

}  // namespace fairlead
