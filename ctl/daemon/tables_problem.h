// What is wrong between this daemon's `tables` and the engine, for `lbctl status`.
#pragma once

#include <optional>
#include <string>

#include "ctl/daemon/problem.h"
#include "ctl/publish/publisher.h"
#include "ctl/publish/telemetry_view.h"

namespace fairlead::daemon {

// A sentence that says what to do, critical where the engine forwards nothing because of it, or by
// tables with holes: not while it goes on by the last good ones. nullopt: the engine follows these
// tables, none runs, or it has not come so far yet.
[[nodiscard]] std::optional<Problem> tables_problem(const publish::Publisher& publisher,
                                                    const publish::TelemetryView& telemetry);

// Where the engine's own files are gone from under it: `telemetry`, `flows`. Nothing: they are
// there, or no engine runs.
[[nodiscard]] std::optional<Problem> removed_file_problem(const std::string& run_dir,
                                                          const publish::TelemetryView& telemetry);

}  // namespace fairlead::daemon
