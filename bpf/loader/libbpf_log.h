// Brings what libbpf says, the kernel's verifier included, into the program's log.
#pragma once

namespace fairlead {

// From now on libbpf's warnings are log lines `event=libbpf`; what it says for information is
// dropped. Call once, before the first program is opened; not while another thread uses libbpf.
void send_libbpf_messages_to_log();

}  // namespace fairlead
