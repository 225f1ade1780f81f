// A request as the handlers see it, and what they answer: no socket, no HTTP library.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace fairlead::api {

inline constexpr std::size_t kMaxHeaderBytes = 16U << 10U;
inline constexpr std::size_t kMaxBodyBytes = 1U << 20U;

struct Caller {
    std::string name;         // "root (uid 0)", for the journal
    bool may_change = false;  // root, or of group `fairlead`, on the Unix socket
    unsigned uid = 0;         // of may_change, 0 is root
};

struct Request {
    std::string method;
    std::string target;  // path and query, as sent
    std::string body;
    Caller caller;
    std::string accept{};  // the field of that name
};

struct Response {
    unsigned status = 200;
    std::string body;
    std::string content_type = "application/json";
    std::string allow;  // of status 405: the methods that there are
};

// Calls `respond` once, at once or later, on the loop's thread.
using Respond = std::function<void(Response)>;
using Handler = std::function<void(Request, Respond)>;

}  // namespace fairlead::api
