#include "ctl/daemon/tables_problem.h"

namespace fairlead::daemon {

std::string tables_problem(const publish::Publisher& publisher,
                           const publish::TelemetryView& telemetry) {
    if (!publisher.is_current()) {
        return "somebody has removed, replaced or cut the file \"tables\" in the run directory: "
               "restart lbd, which makes a new one that lbdp follows";
    }
    const shm::TelemetryHeader* const header = telemetry.header();
    if (header == nullptr || !telemetry.engine_lives()) {
        return "";
    }
    const std::uint64_t followed = header->tables_instance.load(std::memory_order_acquire);
    if (followed == 0) {
        return "lbdp follows no tables yet, so nothing is forwarded: if this stays, its log says "
               "why; "
               "run lbd and lbdp of one version on one --run-dir";
    }
    return followed == publisher.instance()
               ? ""
               : "lbdp forwards by other tables than those of this lbd, so changes do not reach "
                 "it: if this stays, restart lbdp";
}

}  // namespace fairlead::daemon
