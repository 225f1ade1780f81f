// How one check ended.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace fairlead::health {

// The words of the metric's label `result`, in this order.
enum class Outcome : std::uint8_t {
    kOk,
    kRefused,    // nobody listens there
    kTimeout,    // no answer in time
    kStatus,     // HTTP, but not a status that was asked for
    kReset,      // the connection ended before the answer was whole
    kError,      // unreachable, or an answer that is no HTTP
    kDiscarded,  // says nothing about the backend: the checker was late, or this host out of
                 // sockets
};
inline constexpr std::size_t kOutcomes = 7;

[[nodiscard]] std::string_view to_text(Outcome outcome) noexcept;

struct CheckResult {
    Outcome outcome = Outcome::kDiscarded;
    std::string text;  // what a person reads: "HTTP 503, expected 200-299"
    std::chrono::nanoseconds duration{};
};

}  // namespace fairlead::health
