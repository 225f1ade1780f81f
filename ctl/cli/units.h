// Quantities as people write and read them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "dp/base/result.h"

namespace fairlead::cli {

// "0 B", "999 B", "1.5 KiB", "20 MiB": three digits at most, powers of 1,024.
[[nodiscard]] std::string bytes(std::uint64_t count);

// "1 flow", "12 flows".
[[nodiscard]] std::string counted(std::uint64_t count, std::string_view noun);

// "850 ms", "3.2 s", "4m10s", "2h05m", "3d04h": two units at most.
[[nodiscard]] std::string duration(std::chrono::milliseconds span);

// "0.4 ms": for what takes about a millisecond.
[[nodiscard]] std::string in_milliseconds(double count);

// How long ago an RFC 3339 time was: "4m10s"; "-" if it is empty; the text itself if it is no time.
[[nodiscard]] std::string age(const std::string& rfc3339,
                              std::chrono::system_clock::time_point now);

// "500ms", "30s", "5m", "1h"; an error says what is expected.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace fairlead::cli
