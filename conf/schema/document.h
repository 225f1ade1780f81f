// A TOML document as plain values with places, so that one file only knows the TOML library.
//
// Owned by whoever holds the root; the strings are copies. Thread: any; no state.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::conf {

// Where something stands in the text, 1-based, columns counted in characters; line 0: the file as a
// whole.
struct Place {
    std::uint32_t line = 0;
    std::uint32_t column = 0;

    friend constexpr bool operator<(const Place& a, const Place& b) noexcept {
        return a.line != b.line ? a.line < b.line : a.column < b.column;
    }
};

enum class NodeKind : std::uint8_t {
    kString,
    kInteger,
    kFloat,
    kBoolean,
    kDate,
    kArray,
    kTable
};

struct Entry;

struct Node {
    NodeKind kind = NodeKind::kTable;
    Place place;
    std::string text;            // kString
    std::int64_t integer = 0;    // kInteger
    std::vector<Node> items;     // kArray
    std::vector<Entry> entries;  // kTable, each key once

    // The entry with that key, or nullptr. Requires nothing of the kind: only tables have entries.
    [[nodiscard]] const Entry* find(std::string_view key) const noexcept;
};

struct Entry {
    std::string key;
    Place place;  // of the key; the value has its own
    Node value;
};

inline const Entry* Node::find(std::string_view key) const noexcept {
    const auto found = std::find_if(
        entries.begin(), entries.end(), [key](const Entry& entry) { return entry.key == key; });
    return found == entries.end() ? nullptr : &*found;
}

// Tables deeper than this hold nothing that the schema knows, and are read as empty.
inline constexpr unsigned kMaxTableDepth = 8;

}  // namespace fairlead::conf
