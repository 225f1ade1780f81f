// What one of the kernel's links is, out of libnl's reading of its message (rtnetlink(7)).
//
// libnl bounds every attribute by the message. Thread: any.
#pragma once

#include "ctl/neighbor/port_facts.h"

struct rtnl_link;

namespace fairlead::neighbor {

// Without addresses, which come in messages of their own, and alternative names, which libnl leaves
// out.
[[nodiscard]] Interface interface_of_link(rtnl_link* link);

}  // namespace fairlead::neighbor
