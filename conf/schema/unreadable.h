// Refuses what the TOML library cannot cope with, before it sees it.
//
// Keys of absurd depth: it bounds the nesting of values but not of dotted keys. "a.a.a." a million
// times over is a million nested tables, and their destructors recurse until the stack ends.
//
// Characters beyond ASCII where TOML has none: to tell whether one is white space, the library
// (3.3) runs into a place that it has told the compiler is never reached.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "conf/schema/document.h"

namespace fairlead::conf {

// Far more than the schema uses, and with the library's own bound of 256 nested values few enough.
inline constexpr unsigned kMaxKeyParts = 16;

struct Unreadable {
    Place place;
    std::string problem;
};

// The first place of `text` that must not be read, if there is one: the last dot of a key with more
// than kMaxKeyParts parts; or a byte above 0x7F that is neither in a string nor in a comment, or is
// in a multi-line string behind a backslash, where white space is skipped.
[[nodiscard]] std::optional<Unreadable> find_unreadable(std::string_view text);

}  // namespace fairlead::conf
