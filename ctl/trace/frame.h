// Frames of a trace: made from a 5-tuple, and read when they come out.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ctl/trace/trace.h"

namespace fairlead::trace {

// A sound frame without payload, TTL 64. The transport checksum is left 0: nothing on the way reads
// it. Requires TCP or UDP and addresses of one family.
[[nodiscard]] std::vector<std::uint8_t> make_frame(const Question& question);

// The IP header that encloses the packet in question; nothing if the frame carries the packet
// itself.
[[nodiscard]] std::optional<OuterHeader> outer_header_of(std::span<const std::uint8_t> frame,
                                                         const Question& question);

}  // namespace fairlead::trace
