// What there is, as the JSON that ctl/README.md describes.
//
// nlohmann::json stays behind its forward declaration: only the files that build or read JSON pay
// for its header.
#pragma once

#include <string>

#include "ctl/daemon/daemon.h"
#include "ctl/model/service.h"

#include <nlohmann/json_fwd.hpp>

namespace fairlead::api {

using Json = nlohmann::json;

// The text of an answer. Bytes that are not UTF-8 are replaced.
[[nodiscard]] std::string to_body(const Json& document);

[[nodiscard]] Json status_view(daemon::Daemon& daemon);
[[nodiscard]] Json engine_view(daemon::Daemon& daemon);
[[nodiscard]] Json service_view(daemon::Daemon& daemon,
                                const model::Service& service,
                                bool with_backends);
[[nodiscard]] Json backend_view(daemon::Daemon& daemon,
                                const model::Service& service,
                                const model::Backend& backend);
[[nodiscard]] Json health_view(const daemon::Daemon& daemon);
[[nodiscard]] Json version_view(daemon::Daemon& daemon);

}  // namespace fairlead::api
