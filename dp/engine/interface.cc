#include "dp/engine/interface.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "dp/base/descriptor.h"
#include "dp/base/error_text.h"

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
    Asker asker(name);
    const bool is_too_long = name.size() >= IFNAMSIZ;
    if (is_too_long || !asker.ask(SIOCGIFINDEX)) {
        return fail(
            fmt::format("there is no interface \"{}\" in this network namespace: {}; `ip -br "
                        "link` lists those that are there",
                        name,
                        error_text(is_too_long ? ENODEV : errno)));
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
