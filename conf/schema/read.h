// A document in, a Config by the table of keys out.
#pragma once

#include <string_view>
#include <unordered_set>

#include "conf/schema/config.h"
#include "conf/schema/document.h"
#include "conf/schema/problems.h"

namespace fairlead::conf {

// A Config and where it came from. Services, backends and ports are in the order of the document,
// one for each element, also for those that were wrong, so that positions in both agree. Refers to
// the document, which must outlive it.
struct Reading {
    const Node* root = nullptr;
    Config config;
    std::unordered_set<const Node*> refused;  // values that were wrong and are not in `config`

    // The entry of that key if it is there and its value was accepted, otherwise nullptr.
    [[nodiscard]] const Entry* accepted(const Node& table, std::string_view key) const;
    // Where the value of that key stands; if there is none, where the table begins.
    [[nodiscard]] static Place place_of(const Node& table, std::string_view key);
    // The elements of an array of tables; none if it is missing or something else.
    [[nodiscard]] static const std::vector<Node>& elements(const Node& table, std::string_view key);
    // The one table of checks of a service, written as [service.health] or [[service.health]], or
    // nullptr.
    [[nodiscard]] static const Node* health_of(const Node& service);
};

// Unknown keys, wrong kinds of value and missing keys go to `problems`.
[[nodiscard]] Reading read_document(const Node& root, Problems& problems);

}  // namespace fairlead::conf
