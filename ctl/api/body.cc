#include "ctl/api/body.h"

#include <algorithm>
#include <stdexcept>

#include "conf/schema/scalars.h"

#include <nlohmann/json.hpp>

namespace fairlead::api {
namespace {

using Json = nlohmann::json;
using model::Refusal;
using model::RefusalCode;

constexpr std::uint32_t kMaxWeight = 256;
constexpr std::size_t kMaxReason = 1024;

// Throws std::invalid_argument with what a person reads; read() below ends it.
[[noreturn]] void expect(const std::string& what) {
    throw std::invalid_argument(what);
}

Json parse_object(const std::string& body, std::initializer_list<std::string_view> keys) {
    Json document;
    try {
        document = Json::parse(body);
    } catch (const Json::parse_error& error) {
        expect("the body is not JSON (byte " + std::to_string(error.byte) +
               "); expected an object");
    }
    std::string known;
    for (const std::string_view key : keys) {
        known += (known.empty() ? "" : ", ") + std::string(key);
    }
    if (!document.is_object()) {
        expect("expected a JSON object with " + known + ", not " + document.type_name());
    }
    for (const auto& [key, value] : document.items()) {
        if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
            expect("unknown key \"" + key.substr(0, 64) + "\"; there are " + known);
        }
    }
    return document;
}

std::string text_at(const Json& document, const char* key, const char* expected) {
    const Json& value = document.at(key);
    if (!value.is_string()) {
        expect(std::string(key) + " must be " + expected + ", not " + value.type_name());
    }
    return value.get<std::string>();
}

std::string reason_in(const Json& document) {
    if (!document.contains("reason")) {
        return "";
    }
    std::string reason = text_at(document, "reason", "a string");
    if (reason.size() > kMaxReason) {
        expect("reason must be at most " + std::to_string(kMaxReason) + " bytes");
    }
    return reason;
}

std::uint32_t weight_in(const Json& document) {
    const Json& value = document.at("weight");
    if (!value.is_number_integer() || value < 0 || value > kMaxWeight) {
        expect("weight must be a whole number from 0 to " + std::to_string(kMaxWeight) + ", not " +
               (value.is_number() ? value.dump() : std::string(value.type_name())));
    }
    return value.get<std::uint32_t>();
}

template <typename T, typename Read>
Result<T, Refusal> read(const Read& body) {
    try {
        return body();
    } catch (const std::exception& error) {
        return model::refuse(RefusalCode::kBadRequest, error.what());
    }
}

}  // namespace

Result<PatchBody, Refusal> read_patch(const std::string& body) {
    return read<PatchBody>([&body] {
        const Json document = parse_object(body, {"admin", "weight", "reason"});
        PatchBody patch;
        if (document.contains("admin")) {
            constexpr const char* kStates = "\"ready\", \"drain\" or \"maint\"";
            const std::string text = text_at(document, "admin", kStates);
            patch.patch.admin = model::parse_admin(text);
            if (!patch.patch.admin) {
                expect(std::string("admin must be ") + kStates);
            }
        }
        if (document.contains("weight")) {
            patch.patch.weight = weight_in(document);
        }
        if (!patch.patch.admin && !patch.patch.weight) {
            expect("expected admin or weight to change");
        }
        patch.reason = reason_in(document);
        return patch;
    });
}

Result<AddBody, Refusal> read_addition(const std::string& body) {
    return read<AddBody>([&body] {
        const Json document = parse_object(body, {"name", "address", "weight", "reason"});
        for (const char* key : {"name", "address"}) {
            if (!document.contains(key)) {
                expect(std::string(key) + " is missing");
            }
        }
        AddBody addition;
        addition.name = text_at(document, "name", "a string");
        const std::string text = text_at(document, "address", "an IPv4 or IPv6 address");
        const auto address = conf::parse_address(text);
        if (!address) {
            expect("address must be an IPv4 or IPv6 address, not \"" + text.substr(0, 64) + "\"");
        }
        addition.address = *address;
        if (document.contains("weight")) {
            addition.weight = weight_in(document);
        }
        addition.reason = reason_in(document);
        return addition;
    });
}

Result<std::string, Refusal> read_reason(const std::string& body) {
    if (body.empty()) {
        return std::string();
    }
    return read<std::string>([&body] { return reason_in(parse_object(body, {"reason"})); });
}

}  // namespace fairlead::api
