// Whether the numbers of active flows are a count that somebody may switch a server off by.
//
// A worker counts its own flows, so a number is true only of a worker that runs, has counted what
// the last engine left, and has followed every change: one that stands still, or of an engine that
// is gone, says what was. Thread: the daemon's loop.
#pragma once

#include <cstdint>

#include "ctl/daemon/engine_watch.h"
#include "ctl/publish/telemetry_view.h"
#include "dp/base/result.h"

namespace fairlead::daemon {

struct FlowCount {
    std::int64_t engine_started_ns = 0;
    // Of one engine: a number that is higher by two was counted by workers that have all turned
    // after the lower one was read.
    std::uint64_t number = 0;
};

// The count at the last look of `engine`. The error says why there is none. `generation` is the one
// that every worker must have followed.
[[nodiscard]] Result<FlowCount> flow_count(const EngineWatch& engine,
                                           publish::TelemetryView& telemetry,
                                           std::uint64_t generation);

}  // namespace fairlead::daemon
