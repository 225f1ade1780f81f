#include "dp/engine/interface.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "dp/base/descriptor.h"
#include "dp/base/error_text.h"
#include "dp/shm/telemetry.h"

namespace fairlead::engine {
namespace {

// Asks one question about one interface after the other.
class Asker {
  public:
    explicit Asker(const std::string& name)
        : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        const std::size_t length = std::min(name.size(), sizeof request.ifr_name - 1);
        std::memcpy(request.ifr_name, name.data(), length);
    }
    // The answer stands in `request`.
    [[nodiscard]] bool ask(unsigned long question) {
        return ::ioctl(socket_.get(), question, &request) == 0;
    }

    ifreq request{};

  private:
    Descriptor socket_;
};

// An interface by an alternative name that is too long for an ioctl. 0: there is none; errno says
// why.
unsigned index_of_long_name(const std::string& name) {
    struct Question {
        nlmsghdr message;
        ifinfomsg link;
        rtattr attribute;
        std::array<char, shm::kInterfaceNameBytes> name;
    };
    Question question{};
    if (name.size() >= question.name.size()) {
        errno = ENODEV;
        return 0;
    }
    question.attribute.rta_type = IFLA_ALT_IFNAME;
    question.attribute.rta_len = static_cast<std::uint16_t>(RTA_LENGTH(name.size() + 1));
    std::memcpy(question.name.data(), name.data(), name.size());
    question.message.nlmsg_type = RTM_GETLINK;
    question.message.nlmsg_flags = NLM_F_REQUEST;
    question.message.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(sizeof question.link)) +
                                 static_cast<std::uint32_t>(RTA_ALIGN(question.attribute.rta_len));
    const Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (::send(socket.get(), &question, question.message.nlmsg_len, 0) < 0) {
        return 0;
    }
    // The attributes behind are not needed: what has no room is cut off by the kernel.
    struct Answer {
        nlmsghdr message;
        union {
            ifinfomsg link;
            nlmsgerr error;
        };
    };
    Answer answer{};
    const ssize_t got = ::recv(socket.get(), &answer, sizeof answer, 0);
    if (got < static_cast<ssize_t>(NLMSG_LENGTH(sizeof answer.link))) {
        return 0;
    }
    if (answer.message.nlmsg_type != RTM_NEWLINK) {
        errno = answer.message.nlmsg_type == NLMSG_ERROR ? -answer.error.error : ENODEV;
        return 0;
    }
    return static_cast<unsigned>(answer.link.ifi_index);
}

// Queues in use, as `ethtool -l` counts them: each can receive.
std::uint32_t ask_receive_queues(Asker& asker) {
    ethtool_channels channels{};
    channels.cmd = ETHTOOL_GCHANNELS;
    asker.request.ifr_data = static_cast<char*>(static_cast<void*>(&channels));
    if (!asker.ask(SIOCETHTOOL)) {
        return 1;
    }
    return std::max(channels.combined_count + channels.rx_count, 1U);
}

// Whether `ethtool -k` says "rx-vlan-offload: on".
bool ask_strips_vlan_tags(Asker& asker) {
    ethtool_value flags{};
    flags.cmd = ETHTOOL_GFLAGS;
    asker.request.ifr_data = static_cast<char*>(static_cast<void*>(&flags));
    return asker.ask(SIOCETHTOOL) && (flags.data & static_cast<unsigned>(ETH_FLAG_RXVLAN)) != 0;
}

}  // namespace

std::string interface_name(unsigned index) {
    std::array<char, IF_NAMESIZE> name{};
    return ::if_indextoname(index, name.data()) == nullptr ? "" : name.data();
}

bool keep_vlan_tags(const std::string& name) {
    Asker asker(name);
    ethtool_value flags{};
    flags.cmd = ETHTOOL_GFLAGS;
    asker.request.ifr_data = static_cast<char*>(static_cast<void*>(&flags));
    if (asker.ask(SIOCETHTOOL)) {
        flags.cmd = ETHTOOL_SFLAGS;
        flags.data &= ~static_cast<unsigned>(ETH_FLAG_RXVLAN);
        (void)asker.ask(SIOCETHTOOL);
    }
    return !ask_strips_vlan_tags(asker);
}

Result<InterfaceFacts> look_at_interface(const std::string& name) {
    const unsigned by_long_name = name.size() < IFNAMSIZ ? 0 : index_of_long_name(name);
    Asker asker(by_long_name == 0 ? name : interface_name(by_long_name));
    if ((name.size() >= IFNAMSIZ && by_long_name == 0) || !asker.ask(SIOCGIFINDEX)) {
        return fail(
            fmt::format("there is no interface \"{}\" in this network namespace: {}; `ip -br "
                        "link` lists those that are there",
                        name,
                        error_text(errno)));
    }
    InterfaceFacts facts;
    facts.index = static_cast<unsigned>(asker.request.ifr_ifindex);
    if (asker.ask(SIOCGIFFLAGS)) {
        const auto flags = static_cast<unsigned>(asker.request.ifr_flags);
        facts.is_up = (flags & static_cast<unsigned>(IFF_UP)) != 0;
        facts.has_link = (flags & static_cast<unsigned>(IFF_RUNNING)) != 0;
    }
    if (asker.ask(SIOCGIFMTU)) {
        facts.mtu_bytes = static_cast<std::uint32_t>(asker.request.ifr_mtu);
    }
    if (!asker.ask(SIOCGIFHWADDR) || asker.request.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
        return fail(fmt::format("the interface \"{}\" is no Ethernet; a port needs one", name));
    }
    std::memcpy(facts.mac.bytes.data(), asker.request.ifr_hwaddr.sa_data, facts.mac.bytes.size());
    facts.receive_queues = ask_receive_queues(asker);
    facts.strips_vlan_tags = ask_strips_vlan_tags(asker);
    return facts;
}

}  // namespace fairlead::engine
