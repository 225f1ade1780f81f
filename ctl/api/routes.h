// The API of ctl/README.md: which request does what.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "ctl/api/message.h"
#include "ctl/api/turns.h"
#include "ctl/daemon/daemon.h"

namespace fairlead::api {

// The answer to /metrics, by what the request accepts.
using RenderMetrics = std::function<Response(std::string_view accept)>;

// Answers requests about `daemon`, long ones in `turns`, and by `render_metrics`. All must outlive
// the handler.
[[nodiscard]] Handler make_handler(daemon::Daemon& daemon,
                                   Turns& turns,
                                   RenderMetrics render_metrics);

// What strangers may ask by TCP: `/`, `/metrics` and `/api/v1/status`, the last two of `handler`.
[[nodiscard]] Handler make_tcp_handler(std::shared_ptr<const Handler> handler);

}  // namespace fairlead::api
