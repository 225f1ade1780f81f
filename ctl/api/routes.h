// The API of ctl/README.md: which request does what.
#pragma once

#include <functional>
#include <string>

#include "ctl/api/message.h"
#include "ctl/daemon/daemon.h"

namespace fairlead::api {

// Answers requests about `daemon`; `render_metrics` makes the text of /metrics. Both must outlive
// the handler.
[[nodiscard]] Handler make_handler(daemon::Daemon& daemon,
                                   std::function<std::string()> render_metrics);

}  // namespace fairlead::api
