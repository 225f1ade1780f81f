// Looking again and again until something is so, with progress on stderr.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "ctl/cli/commands.h"

#include <nlohmann/json.hpp>

namespace fairlead::cli {

// One look: "" if it is so, else what is missing, in words. A failure ends the waiting, but for
// kUnreachable: a daemon that is being restarted comes back.
using OneLook = std::function<Outcome<std::string>()>;

// How long it took. kTimedOut after `limit`, with what was missing at the last look.
[[nodiscard]] Outcome<std::chrono::milliseconds> wait_until(const Context& context,
                                                            std::chrono::milliseconds limit,
                                                            const OneLook& look);

// The daemon's document of a backend.
[[nodiscard]] Outcome<nlohmann::json> ask_for(const Context& context, const Selection& backend);

// "portal/app-1".
[[nodiscard]] std::string name_of(const Selection& backend);

}  // namespace fairlead::cli
