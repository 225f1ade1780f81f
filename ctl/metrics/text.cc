#include "ctl/metrics/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace fairlead::metrics {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

std::string_view word(Type type) {
    switch (type) {
        case Type::kCounter:
            return "counter";
        case Type::kGauge:
            return "gauge";
        case Type::kHistogram:
            return "histogram";
    }
    return "untyped";
}

unsigned char byte_at(std::string_view text, std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
}

// Bytes of the well-formed UTF-8 character at the start of `text`; 0 for none (RFC 3629, 4).
std::size_t character_bytes(std::string_view text) {
    const unsigned char first = byte_at(text, 0);
    if (first < 0x80) {
        return 1;
    }
    const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4) {
        return 0;
    }
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte_at(text, i) & 0xC0U) != 0x80U) {
            return 0;
        }
    }
    const unsigned char second = byte_at(text, 1);
    const bool is_overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
    const bool is_outside = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
    return is_overlong || is_outside ? 0 : size;
}

// Needs no escape, and is whole by itself.
bool is_plain(char character) {
    return character >= 0x20 && character < 0x7F && character != '"' && character != '\\';
}

}  // namespace

void TextWriter::family(std::string_view name, Type type, std::string_view help) {
    name_ = name;
    // OpenMetrics names a counter's family without what its samples end in.
    constexpr std::string_view kTotal = "_total";
    std::string_view family = name;
    if (format_ == Format::kOpenMetrics && type == Type::kCounter && name.ends_with(kTotal)) {
        family.remove_suffix(kTotal.size());
    }
    text_ += "# HELP ";
    text_ += family;
    text_ += ' ';
    text_ += help;
    text_ += "\n# TYPE ";
    text_ += family;
    text_ += ' ';
    text_ += word(type);
    text_ += '\n';
}

std::string TextWriter::take() {
    if (format_ == Format::kOpenMetrics) {
        text_ += "# EOF\n";
    }
    return std::move(text_);
}

void TextWriter::sample(std::string_view labels, std::string_view more, double value) {
    begin_sample("", labels, more);
    append(value);
}

void TextWriter::suffixed(std::string_view suffix,
                          std::string_view labels,
                          std::string_view more,
                          double value) {
    begin_sample(suffix, labels, more);
    append(value);
}

void TextWriter::begin_sample(std::string_view suffix,
                              std::string_view labels,
                              std::string_view more) {
    text_ += name_;
    text_ += suffix;
    if (labels.empty() && !more.empty()) {
        text_ += '{';
        more.remove_prefix(more.front() == ',' ? 1 : 0);
    }
    text_ += labels;
    text_ += more;
    if (!labels.empty() || !more.empty()) {
        text_ += '}';
    }
    text_ += ' ';
}

void TextWriter::append(std::uint64_t value) {
    std::array<char, 24> digits{};
    char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    text_.append(digits.data(), end);
    text_ += '\n';
}

void TextWriter::append(std::int64_t value) {
    std::array<char, 24> digits{};
    char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    text_.append(digits.data(), end);
    text_ += '\n';
}

void TextWriter::append(double value) {
    text_ += number_text(value);
    text_ += '\n';
}

std::string number_text(double value) {
    if (std::isnan(value)) {
        return "NaN";
    }
    if (std::isinf(value)) {
        return value > 0 ? "+Inf" : "-Inf";
    }
    std::array<char, 32> digits{};
    char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    return {digits.data(), end};
}

std::string decimal_text(double value) {
    std::array<char, 400> digits{};  // also of the largest
    char* const begin = digits.data();
    char* const end =
        std::to_chars(begin, begin + digits.size(), value, std::chars_format::fixed).ptr;
    std::string text(begin, end);
    return text.find('.') == std::string::npos ? text + ".0" : text;
}

std::string label(std::string_view key, std::string_view value) {
    std::string text(key);
    text += "=\"";
    if (std::all_of(value.begin(), value.end(), is_plain)) {  // as names and addresses are
        text += value;
        value = {};
    }
    while (!value.empty()) {
        const std::size_t size = character_bytes(value);
        const char first = value.front();
        if (size == 0 || (static_cast<unsigned char>(first) < 0x20 && first != '\n')) {
            text += kReplacement;
        } else if (first == '\n') {
            text += "\\n";
        } else if (first == '"' || first == '\\') {
            text += '\\';
            text += first;
        } else {
            text += value.substr(0, size);
        }
        value.remove_prefix(size == 0 ? 1 : size);
    }
    text += '"';
    return text;
}

}  // namespace fairlead::metrics
