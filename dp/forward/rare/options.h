// The options of an IPv4 header (RFC 791, 3.1): forwarded as they are, but for two.
//
// Loose and strict source routes ask a router to send the packet on to addresses of the sender's
// choice. RFC 7126 (4.3.5, 4.4.5) tells routers to drop both by default: kSourceRoute. An option
// that is shorter than its own head, or ends behind the header, makes the header kBadHeaderLength.
// All others are the backend's to judge.
#pragma once

#include <cstdint>

#include "dp/shm/drop_reason.h"

namespace fairlead {

// Requires header_bytes readable bytes at `ip`, at least 20.
[[nodiscard]] DropReason check_options_v4(const std::uint8_t* ip,
                                          std::uint32_t header_bytes) noexcept;

}  // namespace fairlead
