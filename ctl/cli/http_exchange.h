// One HTTP request over a Unix socket and its answer; knows nothing of what they say.
//
// Blocks the calling thread for at most the deadline it is given. One connection a request. The
// only file here that sees Boost.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "dp/base/result.h"

namespace fairlead::cli {

struct HttpRequest {
    std::string method;  // "GET"
    std::string target;  // "/api/v1/status", percent-encoded
    std::string body;    // JSON; empty: none
};

struct HttpAnswer {
    unsigned status = 0;
    std::string content_type;
    std::string body;
};

enum class HttpProblem : std::uint8_t {
    kNoSocket,          // nothing of that name
    kNobodyListens,     // a name left behind by a process that is gone
    kPermissionDenied,  // to reach the socket
    kNoConnection,      // another reason, in `detail`
    kTimedOut,          // connected, and no whole answer within the deadline
    kCutOff,            // connected, and closed before the whole answer
    kNotHttp,           // something else answers there
};

struct HttpFailure {
    HttpProblem problem = HttpProblem::kNoConnection;
    std::string detail;  // the system's words
};

inline constexpr std::uint64_t kMaxAnswerBytes = 256U << 20U;

[[nodiscard]] Result<HttpAnswer, HttpFailure> exchange(const std::string& socket_path,
                                                       const HttpRequest& request,
                                                       std::chrono::milliseconds deadline);

}  // namespace fairlead::cli
