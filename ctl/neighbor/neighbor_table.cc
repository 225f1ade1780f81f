#include "ctl/neighbor/neighbor_table.h"

#include <algorithm>
#include <utility>

namespace fairlead::neighbor {

namespace {

constexpr std::chrono::milliseconds kCoalesce{10};
// The kernel did not tell, for want of memory as a rule.
constexpr std::chrono::milliseconds kReadAgain{200};
// A neighbor that does not answer is asked for again, but not with every change of another one.
constexpr std::chrono::seconds kAskAgain{1};

[[nodiscard]] std::string text_of(const IpAddress& address) {
    return address.text().data();
}

[[nodiscard]] bool has_kernel_interface(const conf::PortConfig& port) {
    return !port.interface.empty();
}

std::string no_vlan_interface(const conf::PortConfig& port) {
    const std::string vlan = std::to_string(port.vlan);
    return "port " + port.name + ": there is no interface for VLAN " + vlan + " on " +
           port.interface + ", so no address, route or neighbor; `ip link add link " +
           port.interface + " name " + port.interface + "." + vlan + " type vlan id " + vlan + "`";
}

}  // namespace

Result<std::unique_ptr<NeighborTable>> NeighborTable::open(boost::asio::io_context& loop,
                                                           std::vector<conf::PortConfig> ports,
                                                           std::function<void()> on_change) {
    Result<std::unique_ptr<Kernel>> kernel = Kernel::open();
    if (!kernel) {
        return Unexpected{kernel.error()};
    }
    return std::unique_ptr<NeighborTable>(
        new NeighborTable(loop, std::move(kernel).value(), std::move(ports), std::move(on_change)));
}

NeighborTable::NeighborTable(boost::asio::io_context& loop,
                             std::unique_ptr<Kernel> kernel,
                             std::vector<conf::PortConfig> ports,
                             std::function<void()> on_change)
    : kernel_(std::move(kernel)),
      ports_(std::move(ports)),
      on_change_(std::move(on_change)),
      notifications_(loop, kernel_->notification_fd(), [this] { on_notifications(); }),
      soon_(loop) {
    read_everything();
}

void NeighborTable::read_everything() {
    bool is_read = kernel_->read_neighbors();
    if (more_than_neighbors_) {
        std::optional<std::vector<Interface>> interfaces = kernel_->interfaces();
        more_than_neighbors_ = !interfaces;
        if (interfaces) {
            interfaces_ = std::move(*interfaces);
            routes_.clear();
        }
        is_read = is_read && interfaces;
    }
    if (!is_read) {
        read_in(kReadAgain);
    }
}

void NeighborTable::on_notifications() {
    more_than_neighbors_ = kernel_->drain() || more_than_neighbors_;
    read_in(kCoalesce);
}

void NeighborTable::read_in(std::chrono::milliseconds delay) {
    if (is_reading_soon_) {
        return;
    }
    is_reading_soon_ = true;
    soon_.after(delay, [this] {
        is_reading_soon_ = false;
        read_everything();
        on_change_();
    });
}

std::optional<Interface> NeighborTable::interface_of(const conf::PortConfig& port) const {
    return has_kernel_interface(port) ? facing_interface(port, interfaces_) : std::nullopt;
}

std::vector<publish::DesiredPort> NeighborTable::ports() const {
    std::vector<publish::DesiredPort> result;
    for (const conf::PortConfig& port : ports_) {
        const std::optional<Interface> interface = interface_of(port);
        result.push_back(desired_port(port, interface ? &*interface : nullptr));
    }
    return result;
}

std::vector<std::string> NeighborTable::problems() const {
    std::vector<std::string> result;
    for (const conf::PortConfig& port : ports_) {
        if (!has_kernel_interface(port)) {
            continue;
        }
        const std::optional<Interface> interface = interface_of(port);
        if (!interface) {
            result.push_back("port " + port.name + ": there is no interface " + port.interface +
                             "; see `ip link`, or correct [[port]]");
        } else if (interface->index == 0) {
            result.push_back(no_vlan_interface(port));
        } else if (!interface->is_up) {
            const bool is_vlan = port.vlan != 0;
            result.push_back("port " + port.name + ": interface " + interface->name +
                             (is_vlan ? ", or " + port.interface + " below it," : "") +
                             " is down; `ip link set " + interface->name + " up`");
        }
    }
    return result;
}

Resolution NeighborTable::resolve(const IpAddress& backend,
                                  const std::optional<MacAddress>& fixed_mac,
                                  bool same_segment) {
    if (std::optional<Resolution> found = resolve_on_vdev(backend, fixed_mac, same_segment)) {
        return *std::move(found);
    }
    return resolve_by_kernel(backend, fixed_mac, same_segment);
}

std::optional<Resolution> NeighborTable::resolve_on_vdev(const IpAddress& backend,
                                                         const std::optional<MacAddress>& fixed_mac,
                                                         bool same_segment) const {
    const bool any_interface = std::any_of(ports_.begin(), ports_.end(), has_kernel_interface);
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        const conf::PortConfig& port = ports_[i];
        if (has_kernel_interface(port)) {
            continue;
        }
        const PortIndex index{static_cast<std::uint8_t>(i)};
        const bool on_link = std::any_of(
            port.addresses.begin(),
            port.addresses.end(),
            [&](const conf::PortConfig::Prefix& prefix) { return contains(prefix, backend); });
        if (fixed_mac && (on_link || !any_interface)) {
            return Resolution{publish::Link{*fixed_mac, index}, ""};
        }
        if (on_link) {
            return Resolution{std::nullopt,
                              text_of(backend) + " is on the link of port " + port.name +
                                  ", where nothing can be learned: give the backend its mac"};
        }
        if (port.gateway_mac && !any_interface && !same_segment) {
            return Resolution{publish::Link{*port.gateway_mac, index}, ""};
        }
    }
    if (any_interface) {
        return std::nullopt;
    }
    return Resolution{std::nullopt,
                      "no port reaches " + text_of(backend) +
                          ": give a [[port]] an address in its network" +
                          (same_segment ? "" : ", or gateway and gateway_mac")};
}

Resolution NeighborTable::resolve_by_kernel(const IpAddress& backend,
                                            const std::optional<MacAddress>& fixed_mac,
                                            bool same_segment) {
    auto known = routes_.find(backend);
    if (known == routes_.end()) {
        known = routes_.emplace(backend, kernel_->route(backend)).first;
    }
    const std::optional<Route>& route = known->second;
    if (!route || !route->is_unicast) {
        return {std::nullopt,
                "the kernel has no route to " + text_of(backend) +
                    " that leaves this host; see `ip route get " + text_of(backend) + "`"};
    }
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        const std::optional<Interface> interface = interface_of(ports_[i]);
        if (!interface || interface->index == 0 || interface->index != route->interface_index) {
            continue;
        }
        const PortIndex port{static_cast<std::uint8_t>(i)};
        if (route->gateway && same_segment) {
            return {
                std::nullopt,
                text_of(backend) + " is behind the gateway " + text_of(*route->gateway) +
                    ", and l2 reaches only the port's own segment; use a tunnel (ipip, gue, gre)"};
        }
        if (fixed_mac) {
            return {publish::Link{*fixed_mac, port}, ""};
        }
        return resolve_neighbor(port, *interface, route->gateway.value_or(backend));
    }
    return {std::nullopt,
            "the route to " + text_of(backend) + " leaves by an interface that is no [[port]]"};
}

Resolution NeighborTable::resolve_neighbor(PortIndex port,
                                           const Interface& interface,
                                           const IpAddress& next_hop) {
    const std::optional<NeighborEntry> entry = kernel_->neighbor(interface.index, next_hop);
    std::string refused;
    auto& asked = solicited_[{interface.index, next_hop}];
    const auto now = std::chrono::steady_clock::now();
    // A managed neighbor is kept by the kernel once asked for; one that was lost is asked for
    // again.
    const bool never_asked = asked == std::chrono::steady_clock::time_point{};
    const bool is_lost = (!entry || !entry->mac) && now - asked >= kAskAgain;
    const bool is_permanent = entry && entry->is_permanent;
    if ((never_asked || is_lost) && !is_permanent) {
        asked = now;
        const std::optional<MacAddress> known = entry ? entry->mac : std::nullopt;
        if (const Status status = kernel_->solicit(interface.index, next_hop, known); !status) {
            refused = "; " + status.error().message;
        }
    }
    if (entry && entry->mac) {
        return {publish::Link{*entry->mac, port}, ""};
    }
    return {std::nullopt,
            (entry && entry->is_failed ? "no answer from " : "waiting for the MAC address of ") +
                text_of(next_hop) + " on " + interface.name + refused};
}

}  // namespace fairlead::neighbor
