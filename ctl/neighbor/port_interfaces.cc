#include "ctl/neighbor/port_interfaces.h"

#include <algorithm>

#include "dp/base/log.h"

namespace fairlead::neighbor {

namespace {

std::string no_vlan_interface(const conf::PortConfig& port, const std::string& parent) {
    const std::string vlan = std::to_string(port.vlan);
    return "there is no interface for VLAN " + vlan + " on " + parent +
           ", so no address, route or neighbor; `ip link add link " + parent + " name " + parent +
           "." + vlan + " type vlan id " + vlan + "`";
}

std::string is_down(const std::string& interface) {
    return "interface " + interface + " is down; `ip link set " + interface + " up`";
}

std::string is_renamed(const std::string& configured, const std::string& now, bool is_taken) {
    const std::string text = "the interface " + configured + " is called " + now +
                             " now, and lbd and lbdp keep to it until they are restarted; ";
    const std::string correct = "write interface = \"" + now + "\" in [[port]]";
    return is_taken
               ? text + "then they take the one that is called " + configured + " now: " + correct
               : text + "then they look for " + configured + ": `ip link property add dev " + now +
                     " altname " + configured + "` keeps that name, or " + correct;
}

}  // namespace

void PortInterfaces::forget(int index) {
    for (Port& port : ports_) {
        if (port.held == index) {
            port.held = 0;
        }
    }
}

bool PortInterfaces::look(std::size_t number,
                          const conf::PortConfig& config,
                          std::span<const Interface> interfaces) {
    Port& port = ports_.at(number);
    const int faced = port.facing ? port.facing->index : 0;
    const Interface* const named = named_interface(config, interfaces, port.held);
    if (named == nullptr) {
        port = {};
        return faced != 0;
    }
    port.has_configured_name = has_name(*named, config.interface);
    port.is_name_taken =
        !port.has_configured_name &&
        std::any_of(interfaces.begin(), interfaces.end(), [&](const Interface& interface) {
            return has_name(interface, config.interface);
        });
    if (port.held == named->index && port.name != named->name) {
        log_warning("interface-renamed",
                    {{"port", config.name},
                     {"index", named->index},
                     {"from", port.name},
                     {"to", named->name}});
    }
    port.held = named->index;
    port.name = named->name;
    port.is_up = named->is_up;
    port.facing = facing_interface(config, interfaces, port.held);
    return port.facing->index != faced;
}

const Interface* PortInterfaces::facing(std::size_t port) const {
    const std::optional<Interface>& interface = ports_.at(port).facing;
    return interface ? &*interface : nullptr;
}

bool PortInterfaces::faces(int index) const {
    return std::any_of(ports_.begin(), ports_.end(), [index](const Port& port) {
        return port.facing && port.facing->index == index;
    });
}

std::optional<PortProblem> PortInterfaces::problem(std::size_t number,
                                                   const conf::PortConfig& config) const {
    const Port& port = ports_.at(number);
    const auto problem = [&config](const std::string& text,
                                   std::optional<shm::PortCondition> condition = std::nullopt) {
        return PortProblem{config.name, "port " + config.name + ": " + text, condition};
    };
    if (!port.facing) {
        return problem(
            "there is no interface " + config.interface + "; see `ip link`, or correct [[port]]",
            shm::PortCondition::kInterfaceGone);
    }
    if (!port.is_up) {  // and with it the VLAN's
        return problem(is_down(port.name), shm::PortCondition::kAdminDown);
    }
    if (port.facing->index == 0) {
        return problem(no_vlan_interface(config, port.name));
    }
    if (!port.facing->is_up) {
        return problem(is_down(port.facing->name));
    }
    if (!port.has_configured_name) {
        return problem(is_renamed(config.interface, port.name, port.is_name_taken));
    }
    return std::nullopt;
}

}  // namespace fairlead::neighbor
