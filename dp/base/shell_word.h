// A name as one word of a shell's command, for messages that say what to type.
//
// The kernel lets an interface be called nearly anything, `$(reboot)` too, and one that was moved
// here has the name that somebody else gave it.
#pragma once

#include <string>
#include <string_view>

namespace fairlead {

// As it is where no shell finds anything in it, and else in single quotes.
[[nodiscard]] inline std::string shell_word(std::string_view text) {
    constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+@%,=";
    if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) {
        return std::string(text);
    }
    std::string word = "'";
    for (const char letter : text) {
        if (letter == '\'') {
            word += "'\\''";
        } else {
            word += letter;
        }
    }
    return word + "'";
}

}  // namespace fairlead
