// What there is, as the JSON that ctl/README.md describes.
//
// nlohmann::json stays behind its forward declaration: only the files that build or read JSON pay
// for its header.
#pragma once

#include <array>
#include <cstring>
#include <string>

#include "ctl/daemon/daemon.h"
#include "ctl/model/service.h"

#include <nlohmann/json_fwd.hpp>

namespace fairlead::api {

using Json = nlohmann::json;

// The text in a field of shared memory, which need not end in NUL.
template <std::size_t N>
[[nodiscard]] std::string text_in(const std::array<char, N>& field) {
    return {field.data(), ::strnlen(field.data(), N)};
}

// The text of a document, and as that of an answer. Bytes that are not UTF-8 are replaced.
[[nodiscard]] std::string to_text(const Json& document);
[[nodiscard]] std::string to_body(const Json& document);

[[nodiscard]] Json status_view(daemon::Daemon& daemon);
[[nodiscard]] Json engine_view(daemon::Daemon& daemon);
[[nodiscard]] Json service_view(daemon::Daemon& daemon,
                                const model::Service& service,
                                bool with_backends);
[[nodiscard]] Json backend_view(daemon::Daemon& daemon,
                                const model::Service& service,
                                const model::Backend& backend);
[[nodiscard]] Json health_view(const daemon::Daemon& daemon,
                               const model::Service& service,
                               const model::Backend& backend);
[[nodiscard]] Json version_view(daemon::Daemon& daemon);
// Every drop reason with its count and sentence; of one service where `only` is one.
[[nodiscard]] Json drops_view(daemon::Daemon& daemon, const model::Service* only);

}  // namespace fairlead::api
