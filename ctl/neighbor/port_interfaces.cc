#include "ctl/neighbor/port_interfaces.h"

#include <algorithm>

#include <net/if.h>

#include "dp/base/log.h"
#include "dp/base/shell_word.h"

namespace fairlead::neighbor {

namespace {

// Of a VLAN's interface: with the parent's name where the kernel has room for both.
std::string name_for_vlan(const std::string& parent, const std::string& vlan) {
    std::string name = parent + "." + vlan;
    return name.size() < IFNAMSIZ ? name : "vlan" + vlan;
}

std::string no_vlan_interface(const conf::PortConfig& port, const std::string& parent) {
    const std::string vlan = std::to_string(port.vlan);
    return "there is no interface for VLAN " + vlan + " on " + parent +
           ", so no address, route or neighbor; `ip link add link " + shell_word(parent) +
           " name " + shell_word(name_for_vlan(parent, vlan)) + " type vlan id " + vlan + "`";
}

std::string is_down(const std::string& interface) {
    return "interface " + interface + " is down; `ip link set " + shell_word(interface) + " up`";
}

std::string has_no_carrier(const std::string& interface) {
    return "interface " + interface +
           " has no carrier: look at the cable, the transceiver and the switch's port; `ethtool " +
           shell_word(interface) + "`";
}

std::string in_file(const std::string& interface) {
    return "write interface = \"" + interface + "\" in [[port]]";
}

// `has_name`: lbd's has the configured name, so it was lbdp that has kept an older one.
std::string is_elsewhere(const std::string& engines, const std::string& own, bool has_name) {
    return "lbdp is on the interface " + engines + ", and lbd on " + own +
           ", so nothing is forwarded by it: " +
           (has_name ? "restart lbdp, or " + in_file(engines) + " and restart lbd"
                     : "restart lbd, or " + in_file(own) + " and restart lbdp");
}

std::string keep_name(const std::string& configured, const std::string& now) {
    return "`ip link property add dev " + shell_word(now) + " altname " + shell_word(configured) +
           "`";
}

// Of one that was renamed before this lbd was started.
std::string is_lost_to_lbd(const std::string& configured, const std::string& engines) {
    return "lbdp is on the interface " + engines + ", and lbd finds none that is called " +
           configured + ", so nothing is forwarded by it: " + keep_name(configured, engines) +
           ", or " + in_file(engines) + " and restart lbd";
}

// `is_lost`: an engine runs, and did not have it open at the rename.
std::string is_renamed(const std::string& configured,
                       const std::string& now,
                       bool is_taken,
                       bool is_lost) {
    const std::string text = "the interface " + configured + " is called " + now + " now, and " +
                             (is_lost ? "lbdp looks for "
                                      : "lbd and lbdp keep to it until they are restarted; then "
                                        "they ");
    if (is_taken && !is_lost) {
        return text + "take the one that is called " + configured + " now: " + in_file(now);
    }
    return text + (is_lost ? "" : "look for ") + configured + ": " + keep_name(configured, now) +
           " keeps that name, or " + in_file(now);
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
    port.has_carrier = named->has_carrier;
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
                                                   const conf::PortConfig& config,
                                                   const EngineInterface* engines) const {
    const Port& port = ports_.at(number);
    const auto problem = [&config](const std::string& text,
                                   std::optional<shm::PortCondition> condition = std::nullopt) {
        return PortProblem{config.name, "port " + config.name + ": " + text, condition};
    };
    const auto critical = [&problem](const std::string& text) {
        PortProblem result = problem(text);
        result.is_critical = true;
        return result;
    };
    const bool is_engine_elsewhere =
        engines != nullptr && engines->index != 0 && engines->index != port.held;
    if (!port.facing) {
        if (is_engine_elsewhere && engines->name != config.interface) {
            return critical(is_lost_to_lbd(config.interface, engines->name));
        }
        return problem(
            "there is no interface " + config.interface + "; see `ip link`, or correct [[port]]",
            shm::PortCondition::kInterfaceGone);
    }
    if (is_engine_elsewhere) {
        return critical(is_elsewhere(engines->name, port.name, port.has_configured_name));
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
    if (!port.has_carrier) {
        return problem(has_no_carrier(port.name), shm::PortCondition::kNoCarrier);
    }
    if (!port.has_configured_name) {
        const bool is_lost = engines != nullptr && engines->index == 0;
        return problem(is_renamed(config.interface, port.name, port.is_name_taken, is_lost));
    }
    return std::nullopt;
}

}  // namespace fairlead::neighbor
