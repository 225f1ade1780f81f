#include "ctl/metrics/format.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace fairlead::metrics {
namespace {

// What stands before the next `separator`, trimmed and in small letters; `text` goes on behind it.
std::string next_word(std::string_view& text, char separator) {
    const std::size_t end = std::min(text.find(separator), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    constexpr std::string_view kSpace = " \t";
    word.remove_prefix(std::min(word.find_first_not_of(kSpace), word.size()));
    word = word.substr(0, word.find_last_not_of(kSpace) + 1);
    std::string small(word);
    std::ranges::transform(
        small, small.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return small;
}

bool is_zero(std::string_view weight) {
    return !weight.empty() && weight.find_first_not_of("0.") == std::string_view::npos;
}

bool wants_open_metrics(std::string_view range) {
    if (next_word(range, ';') != "application/openmetrics-text") {
        return false;
    }
    while (!range.empty()) {
        const std::string parameter = next_word(range, ';');
        const std::string_view text(parameter);
        if ((text.starts_with("q=") && is_zero(text.substr(2))) ||
            (text.starts_with("version=") && text != "version=1.0.0")) {
            return false;
        }
    }
    return true;
}

}  // namespace

Format format_for(std::string_view accept) {
    while (!accept.empty()) {
        if (wants_open_metrics(next_word(accept, ','))) {
            return Format::kOpenMetrics;
        }
    }
    return Format::kText;
}

std::string_view content_type_of(Format format) {
    return format == Format::kOpenMetrics
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace fairlead::metrics
