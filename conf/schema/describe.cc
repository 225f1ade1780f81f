#include <algorithm>

#include <fmt/format.h>

#include "conf/schema/parse.h"
#include "conf/schema/scalars.h"

namespace fairlead::conf {

namespace {

constexpr std::size_t kMaxShown = 160;

// The bytes of the first `characters` characters of UTF-8 text, or all.
[[nodiscard]] std::size_t bytes_of(std::string_view text, std::size_t characters) {
    std::size_t bytes = 0;
    while (bytes < text.size()) {
        const bool begins_character = (static_cast<unsigned char>(text[bytes]) & 0xC0U) != 0x80U;
        if (begins_character && characters-- == 0) {
            break;
        }
        ++bytes;
    }
    return bytes;
}

// What stands in a terminal's cells: tabs as they are, so that the caret lines up, other control
// characters not at all.
[[nodiscard]] std::string printable(std::string_view text) {
    std::string result(text);
    std::replace_if(
        result.begin(), result.end(), [](char c) { return c != '\t' && is_control(c); }, '?');
    return result;
}

[[nodiscard]] std::string caret_line(std::string_view line, std::size_t column) {
    std::string padding;
    for (const char c : line.substr(0, bytes_of(line, column - 1))) {
        const bool begins_character = (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
        if (begins_character) {
            padding += c == '\t' ? '\t' : ' ';
        }
    }
    return padding + '^';
}

}  // namespace

std::string describe(const ConfigErrors& errors) {
    std::string result;
    for (const ConfigError& error : errors) {
        if (error.line == 0) {
            result += fmt::format("{}: error: {}\n", error.file, error.message);
            continue;
        }
        result += fmt::format(
            "{}:{}:{}: error: {}\n", error.file, error.line, error.column, error.message);
        const std::string_view line = error.source_line;
        if (error.column == 0 || error.column > kMaxShown) {
            continue;  // a line of that length is no help
        }
        result += fmt::format(
            "{:>5} | {}\n", error.line, printable(line.substr(0, bytes_of(line, kMaxShown))));
        result += fmt::format("      | {}\n", caret_line(line, error.column));
    }
    return result;
}

}  // namespace fairlead::conf
