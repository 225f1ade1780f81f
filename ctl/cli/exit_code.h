// How a run of lbctl ended, for scripts; and the failure that carries it up.
#pragma once

#include <cstdint>
#include <string>

#include "dp/base/result.h"

namespace fairlead::cli {

// The numbers are an interface (lbctl --help lists them).
enum class ExitCode : std::uint8_t {
    kDone = 0,
    kFailed = 1,
    kUsage = 2,
    kUnreachable = 3,  // no lbd answers
    kNotFound = 4,     // no such service or backend
    kRefused = 5,      // by a guard, or it is there already
    kTimedOut = 6,     // while waiting; the change stands
};

// status --check speaks the monitoring plugins' numbers instead.
enum class CheckResult : std::uint8_t {
    kOk = 0,
    kWarning = 1,
    kCritical = 2,
    kUnknown = 3,
};

struct Failure {
    ExitCode code = ExitCode::kFailed;
    std::string message;  // whole sentences, perhaps several lines, no newline at the end
};

template <typename T>
using Outcome = Result<T, Failure>;

[[nodiscard]] inline Unexpected<Failure> failure(ExitCode code, std::string message) {
    return Unexpected<Failure>{Failure{code, std::move(message)}};
}

}  // namespace fairlead::cli
