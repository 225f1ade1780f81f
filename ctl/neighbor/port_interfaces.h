// The kernel interface behind each port, kept as the engine keeps it (dp/engine/interface_port.h).
//
// It is found by the configured name, or an alternative name that is equal to it, and from then on
// by its index for as long as it lives, whatever it is called meanwhile; when it has gone, by the
// name again. A rename is logged, once. Thread: one at a time.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "conf/schema/config.h"
#include "ctl/neighbor/port_facts.h"
#include "dp/shm/port_condition.h"

namespace fairlead::neighbor {

// Something wrong with a port. `condition`: an engine that has this one tells the same.
struct PortProblem {
    std::string port;
    std::string sentence;
    std::optional<shm::PortCondition> condition;
    bool is_critical = false;
};

// The interface on which a running engine has a port. index 0: on none.
struct EngineInterface {
    int index = 0;
    std::string name;
};
// By the port's name; a port of which nothing is known is not there.
using EngineInterfaces = std::map<std::string, EngineInterface>;

class PortInterfaces {
  public:
    explicit PortInterfaces(std::size_t ports) : ports_(ports) {}

    // The interface of this index has gone. At once: another one may get its index.
    void forget(int index);
    // Looks for a port's interface among those that are there. Whether it faces another one now.
    bool look(std::size_t port,
              const conf::PortConfig& config,
              std::span<const Interface> interfaces);

    // As facing_interface() says. nullptr: it is not there, or the port has none.
    [[nodiscard]] const Interface* facing(std::size_t port) const;
    [[nodiscard]] bool faces(int index) const;
    // Its interface, the engine's, the VLAN's on it, its name. At most one of each port.
    // `engines` is nullptr where no engine tells. Requires that lbdp and lbd are in one network
    // namespace, as lbd reads the routes of the engine's interfaces.
    [[nodiscard]] std::optional<PortProblem> problem(std::size_t port,
                                                     const conf::PortConfig& config,
                                                     const EngineInterface* engines) const;

  private:
    struct Port {
        int held = 0;                     // the index of the named one; 0: it is not there
        std::string name;                 // of the named one, now
        bool is_up = false;               // the named one
        bool has_carrier = false;         // the named one
        bool has_configured_name = true;  // or an alternative name that is equal to it
        bool is_name_taken = false;       // another interface has the configured name
        std::optional<Interface> facing;
    };

    std::vector<Port> ports_;
};

}  // namespace fairlead::neighbor
