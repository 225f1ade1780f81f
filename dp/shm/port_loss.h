// Packets that are lost at a port before a worker has seen them: the counter in a port's block of
// `telemetry`, and, as for drop_reason.h, one name and one sentence that says what to do.
#pragma once

#include <array>

#include "dp/shm/drop_reason.h"
#include "dp/shm/telemetry.h"

namespace fairlead::shm {

struct PortLoss {
    DropReasonText text;
    Counter PortTelemetry::*counter = nullptr;
};

inline constexpr std::array<PortLoss, 2> kPortLosses{{
    {{"no_socket",
      "A packet for a VIP arrived while no engine polled the interface: the steering program "
      "dropped "
      "it for the client to send again. See `lbctl status`; it counts on while lbdp restarts."},
     &PortTelemetry::no_socket_packets},
    {{"receive_missed",
      "The NIC or its socket had no room: the workers did not take packets in time. Give [engine] "
      "cpus more CPUs, and the interface as many queues."},
     &PortTelemetry::receive_missed_packets},
}};

}  // namespace fairlead::shm
