// What the engine answers by itself instead of forwarding: one enumerator and one metric name each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fairlead {

enum class ReplyKind : std::uint8_t {
    kNone,
    kTooBig,        // "fragmentation needed", or Packet Too Big
    kTimeExceeded,  // the TTL or hop limit ended here
    kUnreachable,   // no such UDP port
    kReset,         // no such TCP port
    kEcho,          // to a ping
    kNeighbor,      // ARP, or neighbor discovery
    kCount,
};

inline constexpr std::size_t kReplyKindCount = static_cast<std::size_t>(ReplyKind::kCount);

// The values of the label `kind`.
inline constexpr std::array<std::string_view, kReplyKindCount> kReplyKindNames{
    "none", "too_big", "time_exceeded", "port_unreachable", "reset", "echo", "neighbor"};

}  // namespace fairlead
