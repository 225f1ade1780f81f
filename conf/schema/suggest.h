// "did you mean": the known word nearest to one that was mistyped.
#pragma once

#include <span>
#include <string_view>

namespace fairlead::conf {

// Single-character insertions, deletions, replacements and swaps of neighbors that turn `a` into
// `b` (optimal string alignment distance). Bounded by the product of the lengths.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The one of `known` nearest to `word`, or an empty view if none is near enough to be a typing
// mistake.
[[nodiscard]] std::string_view nearest(std::string_view word,
                                       std::span<const std::string_view> known);

}  // namespace fairlead::conf
