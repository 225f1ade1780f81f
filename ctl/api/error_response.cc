#include "ctl/api/error_response.h"

#include <nlohmann/json.hpp>

namespace fairlead::api {
namespace {

using Json = nlohmann::json;
using model::RefusalCode;

struct CodeText {
    unsigned status;
    std::string_view code;
};

CodeText text_of(RefusalCode code) {
    switch (code) {
        case RefusalCode::kBadRequest:
            return {400, "bad_request"};
        case RefusalCode::kForbidden:
            return {403, "forbidden"};
        case RefusalCode::kNotFound:
            return {404, "not_found"};
        case RefusalCode::kMethodNotAllowed:
            return {405, "method_not_allowed"};
        case RefusalCode::kTimeout:
            return {408, "timeout"};
        case RefusalCode::kConflict:
            return {409, "conflict"};
        case RefusalCode::kTooLarge:
            return {413, "too_large"};
        case RefusalCode::kInvalidConfig:
            return {422, "invalid_config"};
        case RefusalCode::kInternal:
            return {500, "internal"};
        case RefusalCode::kUnavailable:
            return {503, "unavailable"};
    }
    return {500, "internal"};
}

}  // namespace

Response error_response(const model::Refusal& refusal) {
    const CodeText text = text_of(refusal.code);
    Json error = {{"code", text.code}, {"message", refusal.message}};
    if (refusal.code == RefusalCode::kInvalidConfig) {
        Json list = Json::array();
        for (const conf::ConfigError& each : refusal.errors) {
            list.push_back({{"file", each.file},
                            {"line", each.line},
                            {"column", each.column},
                            {"message", each.message},
                            {"source_line", each.source_line}});
        }
        error["errors"] = std::move(list);
    }
    const Json document = {{"error", std::move(error)}};
    // Messages quote what was sent, which need not be UTF-8.
    return {text.status, document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"};
}

Response error_response(RefusalCode code, std::string_view message) {
    return error_response(model::Refusal{code, std::string(message), {}});
}

}  // namespace fairlead::api
