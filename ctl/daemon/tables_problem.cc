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

}  // namespace fairlead::daemon
