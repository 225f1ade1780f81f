#include "ctl/api/target.h"

namespace fairlead::api {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::optional<std::string> decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            if (i + 2 >= text.size()) {
                return std::nullopt;
            }
            const int high = hex_digit(text[i + 1]);
            const int low = hex_digit(text[i + 2]);
            if (high < 0 || low < 0) {
                return std::nullopt;
            }
            c = static_cast<char>(high * 16 + low);
            i += 2;
        }
        if (c == '\0') {
            return std::nullopt;
        }
        out += c;
    }
    return out;
}

// Calls `piece` for what lies between the separators; stops where it returns false.
template <typename Piece>
bool split(std::string_view text, char separator, const Piece& piece) {
    while (true) {
        const std::size_t end = text.find(separator);
        if (!piece(text.substr(0, end))) {
            return false;
        }
        if (end == std::string_view::npos) {
            return true;
        }
        text.remove_prefix(end + 1);
    }
}

}  // namespace

std::optional<Target> parse_target(std::string_view text) {
    if (!text.starts_with('/')) {
        return std::nullopt;
    }
    Target target;
    const std::size_t question = text.find('?');
    const std::string_view path =
        text.substr(1, question == std::string_view::npos ? question : question - 1);
    const auto add_segment = [&target](std::string_view piece) {
        const auto decoded = decode(piece);
        if (decoded) {
            target.segments.push_back(*decoded);
        }
        return decoded.has_value();
    };
    if (!path.empty() && !split(path, '/', add_segment)) {
        return std::nullopt;
    }
    const auto add_pair = [&target](std::string_view piece) {
        const std::size_t equals = piece.find('=');
        const auto key = decode(piece.substr(0, equals));
        const auto value = decode(equals == std::string_view::npos ? "" : piece.substr(equals + 1));
        if (key && value && !key->empty()) {
            target.query[*key] = *value;
        }
        return key && value;
    };
    if (question != std::string_view::npos && !split(text.substr(question + 1), '&', add_pair)) {
        return std::nullopt;
    }
    return target;
}

}  // namespace fairlead::api
