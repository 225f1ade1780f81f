// Moments as the daemon keeps and shows them.
#pragma once

#include <chrono>
#include <string>

namespace fairlead::model {

using Time = std::chrono::sys_time<std::chrono::nanoseconds>;

[[nodiscard]] inline Time now() {
    return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
}

// RFC 3339 in UTC with milliseconds: "2026-03-01T12:00:00.123Z".
[[nodiscard]] std::string rfc3339(Time time);

[[nodiscard]] inline double unix_seconds(Time time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count();
}

}  // namespace fairlead::model
