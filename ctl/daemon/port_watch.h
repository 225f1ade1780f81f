// What is wrong with the engine's ports, as the engine itself sees them (dp/shm/port_condition.h).
//
// A condition that stops traffic is critical if no port of the engine is without one: nothing can
// come or go then. While another port works it is a warning, as routers and backends may go by that
// one; a service that loses all its backends by it is critical by itself. What comes and what goes
// is logged. Thread: the daemon's loop.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ctl/daemon/problem.h"
#include "ctl/neighbor/port_interfaces.h"
#include "dp/shm/telemetry.h"

namespace fairlead::daemon {

class PortWatch {
  public:
    // `header` is of an engine that runs; nullptr: there is none, and nothing is known of any port.
    // `configured` are the names in the configuration of this daemon.
    void look(const shm::TelemetryHeader* header, const std::vector<std::string>& configured);

    [[nodiscard]] const std::vector<Problem>& problems() const { return problems_; }
    // Whether the engine says this of the port of that name.
    [[nodiscard]] bool tells(const std::string& port, shm::PortCondition condition) const;
    // The ports with a condition that stops traffic.
    [[nodiscard]] std::vector<std::string> stopped() const;
    // On which the engine has its ports.
    [[nodiscard]] const neighbor::EngineInterfaces& interfaces() const { return interfaces_; }

  private:
    // By the port's name: the bits of its conditions, and those of the pseudo-conditions behind
    // them.
    std::map<std::string, std::uint64_t> bits_;
    std::vector<Problem> problems_;
    neighbor::EngineInterfaces interfaces_;
};

// The metric names of a port's conditions, in their order.
[[nodiscard]] std::vector<std::string> conditions_of(const shm::PortTelemetry& port);

}  // namespace fairlead::daemon
