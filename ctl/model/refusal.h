// Why a change was not made, in the words that the API answers with.
#pragma once

#include <cstdint>
#include <string>

#include "conf/schema/parse.h"
#include "dp/base/result.h"

namespace fairlead::model {

enum class RefusalCode : std::uint8_t {
    kBadRequest,
    kForbidden,
    kNotFound,
    kMethodNotAllowed,
    kTimeout,
    kConflict,
    kTooLarge,
    kInvalidConfig,
    kInternal,
    kUnavailable,
};

struct Refusal {
    RefusalCode code = RefusalCode::kInternal;
    std::string message;
    conf::ConfigErrors errors;  // of kInvalidConfig
};

[[nodiscard]] inline Unexpected<Refusal> refuse(RefusalCode code, std::string message) {
    return Unexpected<Refusal>{Refusal{code, std::move(message), {}}};
}

}  // namespace fairlead::model
