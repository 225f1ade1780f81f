#include "ctl/daemon/counts.h"

namespace fairlead::daemon {
namespace {

// Read while the engine counts, so a difference may come out below nothing.
std::uint64_t since(std::uint64_t baseline, std::uint64_t total) {
    return total > baseline ? total - baseline : 0;
}

}  // namespace

BackendCounts counts_of(const publish::Publisher& publisher,
                        publish::TelemetryView& telemetry,
                        const model::Service& service,
                        const model::Backend& backend) {
    const auto placement = publisher.placement(service.config.name, backend.name, backend.address);
    if (!placement) {
        return {};
    }
    BackendCounts counts;
    counts.index = placement->index;
    publish::CounterTotals base = placement->baseline;
    const publish::CounterTotals totals = telemetry.totals(placement->index);
    if (base.instance != totals.instance) {  // the counters began anew
        base = {};
    }
    counts.packets = since(base.packets, totals.packets);
    counts.bytes = since(base.bytes, totals.bytes);
    counts.new_flows = since(base.new_flows, totals.new_flows);
    counts.active_flows = telemetry.active_flows(placement->index);
    return counts;
}

}  // namespace fairlead::daemon
