// What the daemon does where more fails than one or two servers: for the node, and for a service.
#include "ctl/daemon/daemon.h"
#include "dp/base/log.h"

namespace fairlead::daemon {

// Before the model hears of it, so that what is held is never out in between.
void Daemon::look_at_mass_failure(const health::Target& target, model::Health health) {
    if (!mass_failure_.note({target.service, target.backend},
                            health,
                            target.health.interval + target.health.timeout,
                            MassFailure::Clock::now())) {
        return;
    }
    model_->begin_hold(
        [this](const model::BackendKey& backend) { return mass_failure_.is_fresh(backend); },
        model::now());
    log_warning("mass-failure-hold",
                {{"failed", mass_failure_.failed()},
                 {"of", mass_failure_.were_up()},
                 {"last", to_text(model::BackendKey{target.service, target.backend})},
                 {"hold_ms", mass_failure_.hold().count()}});
    publish_soon();
}

void Daemon::end_what_time_ends() {
    const model::Time now = model::now();
    bool is_changed = model_->observe_time(now);
    if (mass_failure_.is_over(MassFailure::Clock::now())) {
        model_->end_hold(now);
        is_changed = true;
        log_info("mass-failure-hold-over", {{"not_recovered", mass_failure_.not_recovered()}});
    }
    if (is_changed) {
        publish_soon();
    }
}

void Daemon::tell_min_healthy() {
    for (const MinHealthyWatch::Change& change : min_healthy_.look(*model_)) {
        log_warning(change.is_below ? "min-healthy-missed" : "min-healthy-again",
                    {{"service", change.service},
                     {"healthy", change.count.healthy},
                     {"ready", change.count.total},
                     {"least", change.count.least},
                     {"does", conf::to_text(change.does)}});
    }
}

}  // namespace fairlead::daemon
