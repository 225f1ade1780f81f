// A newly read file: all of it in force, or nothing changed and the reasons told.
#include <utility>

#include "ctl/daemon/daemon.h"
#include "dp/base/log.h"

namespace fairlead::daemon {

Result<ReloadOutcome, model::Refusal> Daemon::reload(const Author& author) {
    auto outcome = try_reload(author);
    if (!outcome) {
        const model::Refusal& refusal = outcome.error();
        reload_state_.last_is_ok = false;
        reload_state_.last_error = refusal.message;
        log_error("reload-refused",
                  {{"by", author.name},
                   {"file", options_.config},
                   {"errors", refusal.errors.size()},
                   {"reason", refusal.message},
                   {"generation", publisher_->generation()}});
        return outcome;
    }
    reload_state_ = {model::now(), true, ""};
    log_info("reloaded",
             {{"by", author.name},
              {"file", options_.config},
              {"changes", outcome->summary.size()},
              {"generation", outcome->generation}});
    for (const std::string& change : outcome->summary) {
        log_info("reload-change", {{"what", change}, {"generation", outcome->generation}});
    }
    after_change();
    return outcome;
}

Result<ReloadOutcome, model::Refusal> Daemon::try_reload(const Author& author) {
    auto config = conf::load_config(options_.config);
    if (!config) {
        const conf::ConfigErrors& errors = config.error();
        const std::string count =
            errors.size() == 1 ? "an error" : std::to_string(errors.size()) + " errors";
        return Unexpected<model::Refusal>{
            {model::RefusalCode::kInvalidConfig,
             options_.config + " has " + count + ", the first in line " +
                 std::to_string(errors.empty() ? 0 : errors.front().line) + ": " +
                 (errors.empty() ? "" : errors.front().message) + "; nothing was changed",
             errors}};
    }
    const model::ConfigDiff diff = model::compare(model_->config(), *config);
    model::Model candidate = *model_;
    std::vector<std::string> events = candidate.load(
        model::without_restart_keys(std::move(*config), model_->config()), model::now());
    const auto generation = commit(std::move(candidate), author);
    if (!generation) {
        return Unexpected{generation.error()};
    }
    note_restart_needs(diff.needs_restart);
    ReloadOutcome outcome;
    outcome.generation = *generation;
    outcome.is_changed = !diff.changes.empty() || !events.empty();
    outcome.summary = diff.changes;
    std::move(events.begin(), events.end(), std::back_inserter(outcome.summary));
    for (const model::RestartNeed& need : diff.needs_restart) {
        outcome.summary.push_back(need.sentence);
    }
    return outcome;
}

void Daemon::note_restart_needs(const std::vector<model::RestartNeed>& needs) {
    restart_needs_.clear();
    for (const model::RestartNeed& need : needs) {
        if (need.of_engine_alone) {
            engine_restart_needed_ = model::now();
        } else {
            restart_needs_.push_back(need.sentence);
        }
    }
}

}  // namespace fairlead::daemon
