// What the two outputs are, and so what may be written to them: colors, widths, redrawn lines.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fairlead::cli {

enum class ColorChoice : std::uint8_t {
    kAuto,
    kAlways,
    kNever
};

enum class Tone : std::uint8_t {
    kPlain,
    kStrong,  // headings, names
    kDim,     // what is there but not interesting
    kGood,
    kWarning,
    kBad
};

// How text for one output is dressed. A value; tests make their own.
struct Look {
    bool has_colors = false;
    bool is_terminal = false;
    std::size_t columns = 0;  // 0: no limit

    [[nodiscard]] std::string paint(Tone tone, std::string_view text) const;
};

// `descriptor` is 1 or 2. NO_COLOR (https://no-color.org) and TERM=dumb count only for kAuto.
[[nodiscard]] Look look_of(int descriptor, ColorChoice choice);

}  // namespace fairlead::cli
