// The JSON form of an error, and its status.
#pragma once

#include <string>
#include <string_view>

#include "ctl/api/message.h"
#include "ctl/model/refusal.h"

namespace fairlead::api {

[[nodiscard]] Response error_response(const model::Refusal& refusal);
[[nodiscard]] Response error_response(model::RefusalCode code, std::string_view message);

}  // namespace fairlead::api
