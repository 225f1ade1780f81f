// Tells the service manager how the program is doing: sd_notify's datagram (sd_notify(3), "Notes").
//
// It stands among the words of dp/base, which otherwise do no I/O, because the engine, the daemon
// and the agent all need it and this is the only folder that all three may use. libsystemd would
// bring a compressor and a journal client along for one sendmsg.
#pragma once

#include <string_view>

namespace fairlead {

// Sends `state`, for example "READY=1", "STOPPING=1", "WATCHDOG=1" or "STATUS=text", to the socket
// that $NOTIFY_SOCKET names. Does nothing without that variable, and a failure is ignored: whether
// anybody listens never changes what the program does. Never blocks. Any thread, as long as none
// changes the environment.
void notify_service_manager(std::string_view state);

}  // namespace fairlead
