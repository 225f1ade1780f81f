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

inline constexpr std::array<PortLoss, 7> kPortLosses{{
    {{"no_socket",
      "A packet for a VIP arrived while no engine polled the interface, and only an engine could "
      "decide where it goes: the steering program dropped it for the client to send again. See "
      "`lbctl status`; it counts on while lbdp restarts."},
     &PortTelemetry::no_socket_packets},
    {{"no_socket_no_room",
      "A packet arrived while no engine polled the interface, for a service that the steering "
      "program could have forwarded, but it has room for 64 services: dropped for the client to "
      "send again. See `lbctl status`."},
     &PortTelemetry::no_room_packets},
    {{"receive_missed",
      "The NIC or its socket had no room: the workers did not take packets in time. Give [engine] "
      "cpus more CPUs, and the interface as many queues. Of a kernel interface, the next three say "
      "which kind it was."},
     &PortTelemetry::receive_missed_packets},
    {{"receive_dropped",
      "A part of receive_missed: there was no buffer for the packet, or it is larger than one. "
      "Compare the interface's MTU with mtu_limit in `lbctl status -o json`; else give [engine] "
      "cpus more CPUs."},
     &PortTelemetry::receive_dropped},
    {{"receive_ring_full",
      "A part of receive_missed: the ring was full, as its worker had not taken what came before. "
      "See whether something else has the worker's CPU; else give [engine] cpus more CPUs, and the "
      "interface as many queues."},
     &PortTelemetry::receive_ring_full},
    {{"receive_invalid",
      "A part of receive_missed: the kernel refused a buffer that the engine gave it to receive "
      "into. That is a fault of lbdp or of the driver: restart lbdp, and report it."},
     &PortTelemetry::receive_invalid},
    {{"transmit_invalid",
      "The kernel refused a packet that the engine gave it to send. That is a fault of lbdp or of "
      "the driver: restart lbdp, and report it."},
     &PortTelemetry::transmit_invalid},
}};

}  // namespace fairlead::shm
