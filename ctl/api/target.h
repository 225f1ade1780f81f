// The target of a request taken apart: "/api/v1/services/a%20b?wait=5s".
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::api {

struct Target {
    std::vector<std::string> segments;  // percent-decoded; of "/": none
    std::map<std::string, std::string> query;
};

// Nothing for a target that does not begin with "/", or holds a wrong percent-encoding or a NUL
// (RFC 3986, 2.1 and 3.3). A key without "=" has an empty value.
[[nodiscard]] std::optional<Target> parse_target(std::string_view text);

}  // namespace fairlead::api
