// Tells the service manager how the program is doing: sd_notify's datagram (sd_notify(3), "Notes").
//
// It stands among the words of dp/base, which otherwise do no I/O, because the engine, the daemon
// and the agent all need it and this is the only folder that all three may use. libsystemd would
// bring a compressor and a journal client along for one sendmsg.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace fairlead {

// Sends `state`, for example "READY=1", "STOPPING=1", "WATCHDOG=1" or "STATUS=text", to the socket
// that $NOTIFY_SOCKET names. Does nothing without that variable, and a failure is ignored: whether
// anybody listens never changes what the program does. Never blocks. Any thread, as long as none
// changes the environment.
void notify_service_manager(std::string_view state);

// How long the service manager waits for a WATCHDOG=1 before it takes the program for hung
// (sd_watchdog_enabled(3)): $WATCHDOG_USEC, unless $WATCHDOG_PID says that another process is
// meant. It is sent at half of that. nullopt: nobody waits, or for a year and longer.
[[nodiscard]] std::optional<std::chrono::microseconds> watchdog_interval();

}  // namespace fairlead
