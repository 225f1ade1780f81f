// The link by which an XDP program hangs on an interface.
#pragma once

#include <cstdint>
#include <string>

#include "dp/base/descriptor.h"
#include "dp/base/result.h"

namespace fairlead {

struct XdpLink {
    Descriptor descriptor;  // the program stays as long as this or a pin of it does
    bool is_native = false;
};

// Attaches in the driver's receive path if the driver has one, otherwise behind the kernel's own
// ("generic"), which any interface has. `program` and `interface` name them in messages.
// Error: another program is there (it is named), no such interface, no permission.
[[nodiscard]] Result<XdpLink> attach_xdp(int program_fd,
                                         unsigned interface_index,
                                         const std::string& program,
                                         const std::string& interface);

// What stands at an interface's receive hook.
struct XdpPresence {
    std::uint32_t program_id = 0;  // 0: nothing
    bool is_native = false;
};
[[nodiscard]] XdpPresence look_at_xdp(unsigned interface_index);

}  // namespace fairlead
