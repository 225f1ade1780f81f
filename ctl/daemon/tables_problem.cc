#include "ctl/daemon/tables_problem.h"

#include <algorithm>

namespace fairlead::daemon {

namespace {

// A worker that has acknowledged nothing polls no port.
bool all_workers_follow(const publish::TelemetryView& telemetry) {
    return std::ranges::all_of(telemetry.workers(), [](const shm::WorkerBlock& worker) {
        return worker.acknowledged.load(std::memory_order_relaxed) != 0;
    });
}

}  // namespace

std::optional<Problem> tables_problem(const publish::Publisher& publisher,
                                      const publish::TelemetryView& telemetry) {
    const shm::TelemetryHeader* const header =
        telemetry.engine_lives() ? telemetry.header() : nullptr;
    const std::uint64_t followed =
        header == nullptr ? 0 : header->tables_instance.load(std::memory_order_acquire);
    const bool follows_these = followed == publisher.instance();
    const bool forwards = followed != 0 && all_workers_follow(telemetry);
    if (!publisher.is_current()) {
        const bool has_holes = follows_these && !publisher.is_whole();
        const std::string effect = header == nullptr ? ""
                                   : !forwards       ? "nothing is forwarded; "
                                   : has_holes       ? "what stood there is not forwarded; "
                                                     : "";
        return Problem{
            "somebody has removed, replaced or cut the file \"tables\" in the run "
            "directory: " +
                effect + "restart lbd, which makes a new one that lbdp follows",
            !effect.empty()};
    }
    // Before its first turn it opens its ports, and has not looked for tables.
    if (header == nullptr || follows_these ||
        (followed == 0 && header->control_heartbeat.get() == 0)) {
        return std::nullopt;
    }
    if (!forwards) {
        return Problem{
            "lbdp follows no tables yet, so nothing is forwarded: if this stays, its "
            "log says why; run lbd and lbdp of one version on one --run-dir",
            true};
    }
    return Problem{
        "lbdp forwards by other tables than those of this lbd, so changes do not reach "
        "it: if this stays, restart lbdp",
        false};
}

std::optional<Problem> removed_file_problem(const std::string& run_dir,
                                            const publish::TelemetryView& telemetry) {
    const bool has_telemetry = shm::Segment::exists(shm::kTelemetry, run_dir);
    const bool has_flows = shm::Segment::is_locked(shm::kFlows, run_dir);
    if (telemetry.engine_lives()) {
        if (!has_telemetry) {
            return Problem{
                "somebody has removed the file \"telemetry\" in the run directory: the engine is "
                "seen only as long as this lbd runs; restart lbdp, which keeps the connections",
                false};
        }
        const shm::TelemetryHeader* const header = telemetry.header();
        if (header != nullptr && header->control_heartbeat.get() != 0 && !has_flows) {
            return Problem{
                "somebody has removed or replaced the file \"flows\" in the run directory: the "
                "connections go on, but the next start of lbdp knows none of them; move the "
                "clients to another balancer before it is restarted",
                false};
        }
        return std::nullopt;
    }
    if (!has_telemetry && has_flows) {
        return Problem{
            "an engine runs, and somebody has removed the file \"telemetry\" in the run directory: "
            "nothing of it can be seen, nor whether it forwards; restart lbdp, which keeps the "
            "connections",
            true};
    }
    return std::nullopt;
}

}  // namespace fairlead::daemon
