// What is wrong with a port, as the engine itself sees it: one enumerator, one metric label, one
// sentence that says what it means and the command that mends it.
//
// The engine's control thread compares each port with what it was opened as, all the time, and sets
// the bits of `PortTelemetry::conditions`. A condition is there for as long as it lasts; what the
// engine can follow by itself (another MAC address, more queues, an interface that was made anew)
// is none. `{}` in a sentence stands for the interface's name.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fairlead::shm {

enum class PortCondition : std::uint8_t {
    kInterfaceGone,
    kAdminDown,
    kNoCarrier,
    kNotOpen,
    kMtuTooLarge,
    kQueueUnpolled,
    kTagsTakenOff,
    kProgramGone,
    kCount,
};

inline constexpr std::size_t kPortConditionCount = static_cast<std::size_t>(PortCondition::kCount);

struct PortConditionText {
    std::string_view metric;    // the value of the label `condition`
    bool stops_traffic;         // nothing is received or sent while it lasts
    std::string_view sentence;  // for people; `{}`: the interface
};

inline constexpr std::array<PortConditionText, kPortConditionCount> kPortConditionTexts{{
    {"interface_gone",
     true,
     "the interface {} is not in the engine's network namespace: nothing is received or sent by "
     "it. "
     "Bring it back (`ip -br link` lists what is there); the engine opens it again by itself"},
    {"admin_down", true, "the interface {} is switched off: `ip link set {} up`"},
    {"no_carrier",
     true,
     "the interface {} has no carrier: look at the cable, the transceiver and the switch's port; "
     "`ethtool {}`"},
    {"not_open",
     true,
     "the engine cannot open its sockets on the interface {}, and tries again every second: its "
     "log "
     "has the reason (port-not-open)"},
    {"mtu_too_large",
     false,
     "the interface {} takes packets larger than the engine's buffers, and loses them: "
     "`ip link set {} mtu` to what the port was opened with, or restart lbdp"},
    {"queue_unpolled",
     false,
     "the interface {} has fewer receive queues than there are workers: some workers have nothing "
     "to do. `ethtool -L {} combined` with the number of CPUs in [engine] cpus"},
    {"tags_taken_off",
     false,
     "the interface {} takes VLAN tags off before the steering program sees them, so that frames "
     "of another VLAN would pass for untagged ones: `ethtool -K {} rxvlan off`, and end what "
     "switches "
     "it on again"},
    {"program_gone",
     true,
     "the steering program is not on the interface {} any more, and packets for VIPs go to the "
     "kernel: take off what stands there (`ip link set {} xdp off`, or `bpftool link detach`); the "
     "engine puts its own back"},
}};

[[nodiscard]] constexpr std::uint64_t bit_of(PortCondition condition) noexcept {
    return std::uint64_t{1} << static_cast<unsigned>(condition);
}

}  // namespace fairlead::shm
