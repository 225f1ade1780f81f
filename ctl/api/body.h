// Bodies of requests: JSON objects with known keys, or what was expected instead.
#pragma once

#include <optional>
#include <string>

#include "ctl/model/model.h"
#include "ctl/model/refusal.h"

namespace fairlead::api {

struct PatchBody {
    model::BackendPatch patch;
    std::string reason;
};
struct AddBody {
    std::string name;
    IpAddress address;
    std::uint32_t weight = 1;
    std::string reason;
};

[[nodiscard]] Result<PatchBody, model::Refusal> read_patch(const std::string& body);
[[nodiscard]] Result<AddBody, model::Refusal> read_addition(const std::string& body);
// An optional `reason` and nothing else; an empty body is none.
[[nodiscard]] Result<std::string, model::Refusal> read_reason(const std::string& body);

}  // namespace fairlead::api
