#include "ctl/cli/json_read.h"

namespace fairlead::cli {

using nlohmann::json;

const json& field(const json& from, std::string_view key) {
    static const json nothing;
    if (!from.is_object()) {
        return nothing;
    }
    const auto found = from.find(std::string(key));
    return found == from.end() ? nothing : *found;
}

std::string text(const json& from, std::string_view key) {
    const json& value = field(from, key);
    return value.is_string() ? value.get<std::string>() : std::string();
}

std::uint64_t number(const json& from, std::string_view key) {
    const json& value = field(from, key);
    if (value.is_number_unsigned()) {
        return value.get<std::uint64_t>();
    }
    return real(from, key) > 0 ? static_cast<std::uint64_t>(real(from, key)) : 0;
}

double real(const json& from, std::string_view key) {
    const json& value = field(from, key);
    return value.is_number() ? value.get<double>() : 0.0;
}

bool flag(const json& from, std::string_view key) {
    const json& value = field(from, key);
    return value.is_boolean() && value.get<bool>();
}

const json& object(const json& from, std::string_view key) {
    static const json empty = json::object();
    const json& value = field(from, key);
    return value.is_object() ? value : empty;
}

const json& array(const json& from, std::string_view key) {
    static const json empty = json::array();
    const json& value = field(from, key);
    return value.is_array() ? value : empty;
}

std::string json_text(const json& value, int indent) {
    return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

}  // namespace fairlead::cli
