#include "ctl/daemon/flow_count.h"

#include <string>

namespace fairlead::daemon {

Result<FlowCount> flow_count(const EngineWatch& engine,
                             publish::TelemetryView& telemetry,
                             std::uint64_t generation) {
    switch (engine.state()) {
        case EngineState::kDown:
            return fail("the engine is not running");
        case EngineState::kUnreadable:
            return fail("the engine cannot be read: " + telemetry.refresh());
        case EngineState::kStarting:
            return fail("the engine has just started and not counted its flows yet");
        case EngineState::kStalled:
        case EngineState::kForwarding:
            break;
    }
    if (const std::string still = engine.still_workers(); !still.empty()) {
        return fail(still + " stands still");
    }
    // An engine that has come or gone since the last look is no forwarding one either.
    const std::uint64_t acknowledged = telemetry.lowest();
    if (acknowledged == publish::TelemetryView::kNoEngine) {
        return fail("the engine is not running");
    }
    if (acknowledged < generation) {
        return fail(telemetry.slowest() + " has not followed the last change yet");
    }
    if (telemetry.header() == nullptr ||
        telemetry.header()->started_ns.load() != engine.started_ns()) {
        return fail("the engine has just started and not counted its flows yet");
    }
    if (!telemetry.counts_flows()) {
        return fail(
            "[engine] cpus or flows has changed, and flows of before are counted when the engine "
            "has run for an hour");
    }
    return FlowCount{engine.started_ns(), engine.rounds()};
}

}  // namespace fairlead::daemon
