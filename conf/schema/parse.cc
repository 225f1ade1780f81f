#include "conf/schema/parse.h"

#include <algorithm>

#include <fmt/format.h>

#include <toml++/toml.h>

#include "conf/schema/problems.h"
#include "conf/schema/read.h"
#include "conf/schema/sources.h"
#include "conf/schema/unreadable.h"
#include "conf/schema/validate.h"

namespace fairlead::conf {

namespace {

[[nodiscard]] Place place_of(const toml::source_region& source) noexcept {
    return {source.begin.line, source.begin.column};
}

[[nodiscard]] NodeKind kind_of(const toml::node& node) noexcept {
    switch (node.type()) {
        case toml::node_type::table:
            return NodeKind::kTable;
        case toml::node_type::array:
            return NodeKind::kArray;
        case toml::node_type::string:
            return NodeKind::kString;
        case toml::node_type::integer:
            return NodeKind::kInteger;
        case toml::node_type::floating_point:
            return NodeKind::kFloat;
        case toml::node_type::boolean:
            return NodeKind::kBoolean;
        case toml::node_type::none:
        case toml::node_type::date:
        case toml::node_type::time:
        case toml::node_type::date_time:
            break;
    }
    return NodeKind::kDate;
}

[[nodiscard]] Node copy(const toml::node& source, unsigned depth) {
    Node node;
    node.kind = kind_of(source);
    node.place = place_of(source.source());
    if (const auto* text = source.as_string()) {
        node.text = text->get();
    } else if (const auto* integer = source.as_integer()) {
        node.integer = integer->get();
    } else if (const auto* array = source.as_array(); array != nullptr && depth < kMaxTableDepth) {
        node.items.reserve(array->size());
        for (const toml::node& item : *array) {
            node.items.push_back(copy(item, depth + 1));
        }
    } else if (const auto* table = source.as_table(); table != nullptr && depth < kMaxTableDepth) {
        node.entries.reserve(table->size());
        for (const auto& [key, value] : *table) {
            node.entries.push_back(
                {std::string(key.str()), place_of(key.source()), copy(value, depth + 1)});
        }
    }
    return node;
}

// The document, or nothing if the text is no TOML: of that there is one error, at which reading
// ends.
[[nodiscard]] std::optional<Node> read_toml(std::string_view text, Problems& problems) {
    if (const std::optional<Unreadable> unreadable = find_unreadable(text)) {
        problems.add(unreadable->place, unreadable->problem);
        return std::nullopt;
    }
    try {
        Node root = copy(toml::parse(text), 0);
        root.place = {};
        return root;
    } catch (const toml::parse_error& error) {
        problems.add(place_of(error.source()), std::string(error.description()));
    } catch (const std::exception& error) {
        problems.add({}, fmt::format("cannot be read: {}", error.what()));
    }
    return std::nullopt;
}

}  // namespace

Result<Config, ConfigErrors> parse_config(std::string_view text, std::string_view file) {
    Problems problems;
    std::optional<Node> root;
    if (text.size() > kMaxConfigBytes) {
        problems.add({},
                     fmt::format("{} bytes are too many for a configuration; it may have {}",
                                 text.size(),
                                 kMaxConfigBytes));
    } else if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        problems.add({}, "the configuration is empty");
    } else {
        root = read_toml(text, problems);
    }
    if (root) {
        Reading reading = read_document(*root, problems);
        share_equal_lists(reading.config);
        validate_node(reading, problems);
        validate_services(reading, problems);
        validate_service_keys(reading, problems);
        validate_sources(reading, problems);
        if (problems.empty()) {
            return std::move(reading.config);
        }
    }
    return Unexpected<ConfigErrors>{problems.located(text, file)};
}

}  // namespace fairlead::conf
