// Fields of an answer, read so that one that is missing or of another type is empty, not an
// exception: a newer or older daemon shows less, and breaks nothing. And the way back to text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace fairlead::cli {

// The field itself, or a null value.
[[nodiscard]] const nlohmann::json& field(const nlohmann::json& from, std::string_view key);

[[nodiscard]] std::string text(const nlohmann::json& from, std::string_view key);
[[nodiscard]] std::uint64_t number(const nlohmann::json& from, std::string_view key);
[[nodiscard]] double real(const nlohmann::json& from, std::string_view key);
[[nodiscard]] bool flag(const nlohmann::json& from, std::string_view key);
[[nodiscard]] const nlohmann::json& object(const nlohmann::json& from, std::string_view key);
[[nodiscard]] const nlohmann::json& array(const nlohmann::json& from, std::string_view key);

// The JSON text; `indent` -1: on one line. What is not UTF-8 (a word of the command line, a line of
// a file) becomes U+FFFD.
[[nodiscard]] std::string json_text(const nlohmann::json& value, int indent);

}  // namespace fairlead::cli
