// What is wrong between this daemon's `tables` and the engine, for `lbctl status`.
#pragma once

#include <string>

#include "ctl/publish/publisher.h"
#include "ctl/publish/telemetry_view.h"

namespace fairlead::daemon {

// A sentence that says what to do; "" where the engine follows these tables, or none runs.
[[nodiscard]] std::string tables_problem(const publish::Publisher& publisher,
                                         const publish::TelemetryView& telemetry);

}  // namespace fairlead::daemon
