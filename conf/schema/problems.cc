#include "conf/schema/problems.h"

#include <algorithm>

#include <fmt/format.h>

namespace fairlead::conf {

void Problems::add(Place place, std::string message) {
    if (kept_.size() == kMaxKept) {
        ++dropped_;
        return;
    }
    kept_.push_back({place, std::move(message)});
}

namespace {

[[nodiscard]] std::vector<std::string_view> split_lines(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        lines.push_back(line);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

}  // namespace

ConfigErrors Problems::located(std::string_view text, std::string_view file) const {
    std::vector<Problem> sorted = kept_;
    std::stable_sort(sorted.begin(), sorted.end(), [](const Problem& a, const Problem& b) {
        return a.place < b.place;
    });
    const std::vector<std::string_view> lines = split_lines(text);
    ConfigErrors errors;
    errors.reserve(sorted.size() + 1);
    for (Problem& problem : sorted) {
        ConfigError& error = errors.emplace_back();
        error.file = file;
        error.line = problem.place.line;
        error.column = problem.place.column;
        error.message = std::move(problem.message);
        if (problem.place.line > 0 && problem.place.line <= lines.size()) {
            error.source_line = lines[problem.place.line - 1];
        }
    }
    if (dropped_ > 0) {
        ConfigError& error = errors.emplace_back();
        error.file = file;
        error.message = fmt::format("{} more errors are not shown; correct these first", dropped_);
    }
    return errors;
}

std::string quoted(std::string_view text) {
    constexpr std::size_t kMaxShown = 80;
    std::string result = "\"";
    std::size_t shown = std::min(text.size(), kMaxShown);
    while (shown < text.size() && shown > 0 &&
           (static_cast<unsigned char>(text[shown]) & 0xC0U) == 0x80U) {
        --shown;  // not in the middle of a UTF-8 sequence
    }
    for (const char c : text.substr(0, shown)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F) {
            result += fmt::format("\\x{:02x}", byte);
        } else {
            result += c;
        }
    }
    return result + (shown < text.size() ? "...\"" : "\"");
}

}  // namespace fairlead::conf
