#include "ctl/model/overrides_text.h"

#include <array>

#include <nlohmann/json.hpp>

namespace fairlead::model {
namespace {

using Json = nlohmann::json;

constexpr int kFormat = 1;
constexpr std::uint32_t kMaxWeight = 256;

Json provenance_of(const Provenance& made) {
    return {{"by", made.by}, {"at", made.at}, {"reason", made.reason}};
}

Json admin_of(const AdminOverride& admin) {
    Json out = provenance_of(admin.made);
    out["value"] = to_text(admin.value);
    return out;
}

Json entry_of(const BackendOverrides& entry) {
    Json out = Json::object();
    if (entry.admin) {
        out["admin"] = admin_of(*entry.admin);
    }
    if (entry.weight) {
        out["weight"] = provenance_of(entry.weight->made);
        out["weight"]["value"] = entry.weight->value;
        if (entry.weight->in_file) {
            out["weight"]["in_file"] = *entry.weight->in_file;
        }
    }
    if (entry.addition) {
        out["added"] = provenance_of(entry.addition->made);
        out["added"]["address"] = entry.addition->address.text().data();
        out["added"]["weight"] = entry.addition->weight;
    }
    if (entry.removal) {
        out["removed"] = provenance_of(entry.removal->made);
        out["removed"]["address"] = entry.removal->address.text().data();
        out["removed"]["weight"] = entry.removal->weight;
        if (entry.removal->mac) {
            out["removed"]["mac"] = entry.removal->mac->text().data();
        }
        if (entry.removal->admin) {
            out["removed"]["admin"] = admin_of(*entry.removal->admin);
        }
    }
    if (entry.is_orphaned) {
        out["orphaned"] = true;
    }
    return out;
}

// Everything that entry_of() writes.
constexpr std::array kKnownKeys{"admin", "weight", "added", "removed", "orphaned"};

// The readers below throw nlohmann's exceptions or std::invalid_argument; the public functions end
// them.
[[noreturn]] void refuse(const std::string& message) {
    throw std::invalid_argument(message);
}

std::uint32_t weight_at(const Json& from, const char* key) {
    const auto value = from.at(key).get<std::int64_t>();
    if (value < 0 || value > kMaxWeight) {
        refuse("a weight is outside 0..256");
    }
    return static_cast<std::uint32_t>(value);
}

IpAddress address_at(const Json& from) {
    const auto text = from.at("address").get<std::string>();
    const auto address = IpAddress::parse(text);
    if (!address) {
        refuse("\"" + text + "\" is not an address");
    }
    return *address;
}

Provenance provenance_at(const Json& from) {
    return {from.at("by").get<std::string>(),
            from.at("at").get<std::string>(),
            from.at("reason").get<std::string>()};
}

AdminOverride admin_at(const Json& from) {
    const auto value = parse_admin(from.at("value").get<std::string>());
    if (!value) {
        refuse("an admin state is none of ready, drain, maint");
    }
    return {*value, provenance_at(from)};
}

std::optional<AdminOverride> admin_in(const Json& from) {
    const auto found = from.find("admin");
    return found == from.end() ? std::nullopt : std::optional(admin_at(*found));
}

BackendOverrides entry_at(const Json& from) {
    BackendOverrides entry;
    entry.admin = admin_in(from);
    if (const auto found = from.find("weight"); found != from.end()) {
        entry.weight = WeightOverride{weight_at(*found, "value"), {}, provenance_at(*found)};
        if (found->contains("in_file")) {
            entry.weight->in_file = weight_at(*found, "in_file");
        }
    }
    if (const auto found = from.find("added"); found != from.end()) {
        entry.addition =
            Addition{address_at(*found), weight_at(*found, "weight"), provenance_at(*found)};
    }
    if (const auto found = from.find("removed"); found != from.end()) {
        entry.removal =
            Removal{address_at(*found), weight_at(*found, "weight"), {}, provenance_at(*found)};
        entry.removal->admin = admin_in(*found);
        if (found->contains("mac")) {
            entry.removal->mac = MacAddress::parse(found->at("mac").get<std::string>());
            if (!entry.removal->mac) {
                refuse("a mac is not a MAC address");
            }
        }
    }
    entry.is_orphaned = from.value("orphaned", false);
    return entry;
}

std::string text_of(const Json& document) {
    return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

template <typename Read>
auto ending_exceptions(Read read) -> Result<decltype(read())> {
    try {
        return read();
    } catch (const std::exception& error) {
        return fail(error.what());
    }
}

}  // namespace

std::string write_entry(const BackendOverrides& entry, std::string_view former) {
    Json out = entry_of(entry);
    const Json was = Json::parse(former, nullptr, false);
    if (was.is_object()) {
        for (const auto& [key, value] : was.items()) {
            if (std::find(kKnownKeys.begin(), kKnownKeys.end(), key) == kKnownKeys.end()) {
                out[key] = value;
            }
        }
    }
    return out.empty() ? "" : text_of(out);
}

Result<BackendOverrides> read_entry(std::string_view text) {
    return ending_exceptions([text] {
        const Json from = Json::parse(text);
        if (!from.is_object()) {
            refuse("it is no JSON object");
        }
        return entry_at(from);
    });
}

std::string write_admin(const AdminOverride& admin) {
    return text_of(admin_of(admin));
}

Result<AdminOverride> read_admin(std::string_view text) {
    return ending_exceptions([text] { return admin_at(Json::parse(text)); });
}

Result<ReadOverrides> read_overrides(std::string_view text) {
    return ending_exceptions([text] {
        const Json document = Json::parse(text);
        if (document.at("format").get<int>() != kFormat) {
            refuse("its format is not " + std::to_string(kFormat) +
                   ": another version of lbd wrote it");
        }
        ReadOverrides read;
        if (const auto node = document.find("node"); node != document.end()) {
            read.kept.node = admin_at(*node);
        }
        for (const Json& from : document.at("backends")) {
            try {
                const BackendKey key{from.at("service").get<std::string>(),
                                     from.at("backend").get<std::string>()};
                if (BackendOverrides entry = entry_at(from); !entry.empty()) {
                    read.kept.overrides[key] = std::move(entry);
                }
            } catch (const std::exception& error) {
                read.problems.push_back("the entry " + text_of(from).substr(0, 200) +
                                        " cannot be read: " + error.what());
            }
        }
        return read;
    });
}

}  // namespace fairlead::model
