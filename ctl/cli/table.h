// Rows of cells to aligned columns.
//
// Two spaces between columns, no frame, no wrapped cell: a line is a row, so that grep and awk
// work. The last column may be cut with "..." where a terminal is too narrow; nothing is cut
// elsewhere.
#pragma once

#include <string>
#include <vector>

#include "ctl/cli/terminal.h"

namespace fairlead::cli {

enum class Align : std::uint8_t {
    kLeft,
    kRight  // numbers
};

struct Column {
    std::string title;
    Align align = Align::kLeft;
};

struct Cell {
    std::string text;
    Tone tone = Tone::kPlain;
};

class Table {
  public:
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    // Requires as many cells as there are columns. An empty cell is shown as "-".
    void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }

    [[nodiscard]] bool is_empty() const { return rows_.empty(); }

    // Every line ends in a newline and in no space. `indent` goes before each.
    [[nodiscard]] std::string render(const Look& look, std::string_view indent = "") const;

  private:
    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;
};

// Columns that a terminal needs for UTF-8 text without wide or combining characters.
[[nodiscard]] std::size_t display_width(std::string_view text);

}  // namespace fairlead::cli
