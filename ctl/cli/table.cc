#include "ctl/cli/table.h"

#include <algorithm>

namespace fairlead::cli {
namespace {

constexpr std::string_view kGap = "  ";
constexpr std::string_view kCut = "...";

bool begins_character(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
}

// The first `width` characters.
std::string_view first_characters(std::string_view text, std::size_t width) {
    std::size_t characters = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (begins_character(text[i]) && characters++ == width) {
            return text.substr(0, i);
        }
    }
    return text;
}

std::string cut_to(std::string_view text, std::size_t width) {
    if (display_width(text) <= width || width <= kCut.size()) {
        return std::string(text);
    }
    return std::string(first_characters(text, width - kCut.size())).append(kCut);
}

std::string line_of(const std::vector<Cell>& cells,
                    const std::vector<Column>& columns,
                    const std::vector<std::size_t>& widths,
                    const Look& look) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const bool is_last = i + 1 == cells.size();
        std::string text = cells[i].text.empty() ? "-" : cells[i].text;
        if (is_last) {
            text = cut_to(text, widths[i]);
        }
        const std::size_t used = display_width(text);
        const std::string padding(used < widths[i] ? widths[i] - used : 0, ' ');
        if (columns[i].align == Align::kRight) {
            line += padding;
        }
        line += look.paint(cells[i].tone, text);
        if (columns[i].align == Align::kLeft && !is_last) {
            line += padding;
        }
        if (!is_last) {
            line += kGap;
        }
    }
    return line;
}

}  // namespace

std::size_t display_width(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string Table::render(const Look& look, std::string_view indent) const {
    std::vector<Cell> titles;
    std::vector<std::size_t> widths;
    for (const Column& column : columns_) {
        titles.push_back({column.title, Tone::kStrong});
        widths.push_back(display_width(column.title));
    }
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max({widths[i], display_width(row[i].text), std::size_t{1}});
        }
    }
    std::size_t before_last = display_width(indent);
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
        before_last += widths[i] + kGap.size();
    }
    if (look.columns > 0 && before_last + widths.back() > look.columns) {
        const std::size_t left = look.columns > before_last ? look.columns - before_last : 0;
        widths.back() = std::max(left, display_width(columns_.back().title));
    }
    std::string out = std::string(indent) + line_of(titles, columns_, widths, look) + "\n";
    for (const auto& row : rows_) {
        out.append(indent).append(line_of(row, columns_, widths, look)).append("\n");
    }
    return out;
}

}  // namespace fairlead::cli
