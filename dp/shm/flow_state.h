// What a worker believes of a connection that it tracks: one enumerator, one metric value each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fairlead {

enum class FlowState : std::uint8_t {
    kEmpty = 0,
    kUnproven = 1,     // one packet, which anybody can forge
    kEstablished = 2,  // TCP: the client has answered
    kClosing = 3,      // TCP: the client has sent FIN or RST
    kDatagram = 4,     // UDP: the client has sent a second datagram
};
inline constexpr std::size_t kFlowStateCount = 5;

// An entry has three bits for it, so an array of this size is safe to index with any of them.
inline constexpr std::size_t kFlowStateCodes = 8;

// The values of the label `state`.
inline constexpr std::array<std::string_view, kFlowStateCount> kFlowStateNames{
    "empty", "unproven", "established", "closing", "datagram"};

}  // namespace fairlead
