// The link by which an XDP program hangs on an interface, and its pin, by which it stays there
// beyond the process.
//
// Theory of operation. The program stays as long as a descriptor of the link or its pin
// (pin_directory.h) does. A later process opens the pin and puts its own program into the link: the
// kernel swaps one for the other, so that no packet meets neither. A link ends with its interface,
// and can be taken off (`bpftool link detach`); then it names interface 0 for ever, and another one
// takes its place at the pin.
#pragma once

#include <cstdint>
#include <string>

#include "dp/base/descriptor.h"
#include "dp/base/result.h"

namespace fairlead {

enum class XdpMode : std::uint8_t {
    kNative,    // in the driver's receive path
    kGeneric,   // after the kernel has made an skb: works on any interface, slower
    kReplaced,  // as the program before it was, whose link goes on
};

// Where a program belongs. `program` and `interface` name them in messages.
struct XdpPlace {
    unsigned interface_index = 0;
    std::string program;
    std::string interface;
    std::string pin;
};

struct XdpLink {
    Descriptor descriptor;
    XdpMode mode = XdpMode::kNative;
};

// Puts the program into the link that is pinned there, if that one hangs on the interface.
// Otherwise attaches it in the driver's receive path if the driver has one, else behind the
// kernel's own, which any interface has, and pins the link in the place of what was there.
// Error: somebody else's program is on the interface (it is named), no such interface, no
// permission, no bpffs at the pin.
[[nodiscard]] Result<XdpLink> attach_xdp(int program_fd, const XdpPlace& place);

// Whether what the interface runs is this link's program. The interface is of the caller's network
// namespace, also if another one's has the same index.
[[nodiscard]] bool is_on_interface(const Descriptor& link, unsigned interface_index);

// Whether the object at the pin is this link.
[[nodiscard]] bool is_pinned_at(const Descriptor& link, const std::string& pin);

// Error: there is one already, no bpffs, no permission.
[[nodiscard]] Status pin_link(const Descriptor& link, const std::string& pin);

// What stands at an interface's receive hook.
struct XdpPresence {
    std::uint32_t program_id = 0;  // 0: nothing
    bool is_native = false;
};
[[nodiscard]] XdpPresence look_at_xdp(unsigned interface_index);

}  // namespace fairlead
