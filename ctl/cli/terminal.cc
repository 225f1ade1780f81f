#include "ctl/cli/terminal.h"

#include <cstdlib>

#include <sys/ioctl.h>
#include <unistd.h>

namespace fairlead::cli {
namespace {

std::string_view escape_for(Tone tone) {
    switch (tone) {
        case Tone::kPlain:
            return "";
        case Tone::kStrong:
            return "\x1b[1m";
        case Tone::kDim:
            return "\x1b[2m";
        case Tone::kGood:
            return "\x1b[32m";
        case Tone::kWarning:
            return "\x1b[33m";
        case Tone::kBad:
            return "\x1b[1;31m";
    }
    return "";
}

// lbctl has one thread and changes no variable.
std::string_view environment(const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    return value == nullptr ? "" : value;
}

}  // namespace

std::string Look::paint(Tone tone, std::string_view text) const {
    if (!has_colors || tone == Tone::kPlain || text.empty()) {
        return std::string(text);
    }
    return std::string(escape_for(tone)).append(text).append("\x1b[0m");
}

Look look_of(int descriptor, ColorChoice choice) {
    Look look;
    look.is_terminal = ::isatty(descriptor) == 1;
    winsize size{};
    if (look.is_terminal && ::ioctl(descriptor, TIOCGWINSZ, &size) == 0) {
        look.columns = size.ws_col;
    }
    switch (choice) {
        case ColorChoice::kAlways:
            look.has_colors = true;
            break;
        case ColorChoice::kNever:
            break;
        case ColorChoice::kAuto:
            look.has_colors = look.is_terminal && environment("NO_COLOR").empty() &&
                              environment("TERM") != "dumb";
            break;
    }
    return look;
}

}  // namespace fairlead::cli
