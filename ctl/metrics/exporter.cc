#include "ctl/metrics/exporter.h"

#include <algorithm>

namespace fairlead::metrics {

std::string Exporter::render(Format format) {
    daemon_.telemetry().refresh();
    const std::vector<ServiceSeries>& series = cache_.of(daemon_.model());
    TextWriter out(format);
    out.reserve(last_bytes_ + last_bytes_ / 8);
    write_node(out, daemon_);
    write_process(out);
    write_services(out, daemon_, series);
    write_backends(out, daemon_, series);
    write_health(out, daemon_);
    write_workers(out, daemon_);
    write_ports(out, daemon_);
    std::string text = out.take();
    last_bytes_ = text.size();
    return text;
}

void write_node(TextWriter& out, daemon::Daemon& daemon) {
    publish::TelemetryView& telemetry = daemon.telemetry();
    const daemon::EngineState state = daemon.look_at_engine().state();
    const bool is_up = state != daemon::EngineState::kDown;
    std::uint64_t followed = 0;
    if (is_up && !telemetry.workers().empty()) {
        followed = UINT64_MAX;
        for (const shm::WorkerBlock& worker : telemetry.workers()) {
            followed = std::min(followed, worker.acknowledged.load(std::memory_order_relaxed));
        }
    }
    out.family("fairlead_build_info", Type::kGauge, "The version of lbd that answers; always 1.");
    out.sample("{" + label("version", daemon.options().version), "", 1);
    out.family("fairlead_engine_up",
               Type::kGauge,
               "Whether an engine (lbdp) runs as a process; whether it moves packets, "
               "fairlead_engine_forwarding says.");
    out.sample("", "", is_up);
    out.family("fairlead_engine_forwarding",
               Type::kGauge,
               "Whether the engine forwards: it runs, each of its workers and its control thread "
               "turn, and each worker follows the tables.");
    out.sample("", "", state == daemon::EngineState::kForwarding);
    out.family("fairlead_config_generation",
               Type::kGauge,
               "The generation of the tables that the daemon published last.");
    out.sample("", "", daemon.publisher().generation());
    out.family("fairlead_engine_generation",
               Type::kGauge,
               "The generation that every worker of the engine follows; 0 while none runs.");
    out.sample("", "", followed);
    out.family("fairlead_config_last_reload_successful",
               Type::kGauge,
               "Whether the last reload of the configuration was accepted.");
    out.sample("", "", daemon.reload_state().last_is_ok);
    const model::OverrideCounts overrides = model::count(daemon.model().overrides());
    out.family("fairlead_overrides",
               Type::kGauge,
               "Changes made at run time that override the file, by kind.");
    out.sample("{kind=\"admin\"", "", overrides.admin);
    out.sample("{kind=\"weight\"", "", overrides.weight);
    out.sample("{kind=\"added\"", "", overrides.addition);
    out.sample("{kind=\"removed\"", "", overrides.removal);
}

}  // namespace fairlead::metrics
