// The packet of a trace, as an operator writes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dp/base/result.h"
#include "dp/net/headers.h"

namespace fairlead::trace {

// Both addresses are of one family.
struct Question {
    std::uint8_t protocol = kProtocolTcp;  // TCP or UDP
    IpAddress source;
    IpAddress destination;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    std::uint8_t tcp_flags = kTcpSyn;  // of TCP
};

struct QuestionText {
    std::string_view protocol;     // "tcp" or "udp"
    std::string_view source;       // "198.51.100.7:40000", "[2001:db8::7]:40000"
    std::string_view destination;  // the same
    std::string_view flags;  // letters of FSRPAU; "established" is "A"; empty: "S" where it is TCP
};

// An error says what was expected.
[[nodiscard]] Result<Question> parse_question(const QuestionText& text);

// The flags' letters, in the order of their bits.
[[nodiscard]] std::string flags_text(std::uint8_t tcp_flags);

}  // namespace fairlead::trace
