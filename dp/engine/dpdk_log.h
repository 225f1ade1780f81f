// Brings what DPDK and libxdp, which its AF_XDP driver uses, say into the program's log.
#pragma once

namespace fairlead::engine {

// From now on their warnings are log lines `event=dpdk` and `event=libxdp`, but for those that say
// what we know or want: which pages there are, and that nobody takes our program off an interface
// (bpf/loader/steer_loader.h). Call once, before DPDK starts.
void send_dpdk_messages_to_log();

}  // namespace fairlead::engine
