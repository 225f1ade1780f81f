// Refuses keys of absurd depth before the TOML library sees them.
//
// The library bounds the nesting of values but not of dotted keys: "a.a.a." a million times over is
// a million nested tables, and their destructors recurse until the stack ends.
#pragma once

#include <optional>
#include <string_view>

#include "conf/schema/document.h"

namespace fairlead::conf {

// Far more than the schema uses, and with the library's own bound of 256 nested values few enough.
inline constexpr unsigned kMaxKeyParts = 16;

// The place of the first key of `text` with more than kMaxKeyParts dotted parts, if there is one.
[[nodiscard]] std::optional<Place> find_too_deep_key(std::string_view text) noexcept;

}  // namespace fairlead::conf
