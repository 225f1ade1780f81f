// A newly read file: all of it in force, or nothing changed and the reasons told.
#include <utility>

#include "ctl/daemon/daemon.h"
#include "dp/base/log.h"

namespace fairlead::daemon {
namespace {

Result<conf::Config, model::Refusal> read(const std::string& path) {
    auto config = conf::load_config(path);
    if (config) {
        return std::move(*config);
    }
    const conf::ConfigErrors& errors = config.error();
    const std::string count =
        errors.size() == 1 ? "an error" : std::to_string(errors.size()) + " errors";
    return Unexpected<model::Refusal>{
        {model::RefusalCode::kInvalidConfig,
         path + " has " + count + ", the first in line " +
             std::to_string(errors.empty() ? 0 : errors.front().line) + ": " +
             (errors.empty() ? "" : errors.front().message) + "; nothing was changed",
         errors}};
}

// What one reload finds out on its way.
struct Reading {
    std::optional<conf::Config> config;  // read when its turn has come
    model::ConfigDiff diff;
    std::vector<std::string> events;
};

}  // namespace

void Daemon::reload(const Author& author,
                    std::function<void(const Result<ReloadOutcome, model::Refusal>&)> then) {
    const auto reading = std::make_shared<Reading>();
    change(
        {author,
         [this, reading](model::Model& model) -> Result<bool, model::Refusal> {
             if (!reading->config) {
                 auto config = read(options_.config);
                 if (!config) {
                     return Unexpected{config.error()};
                 }
                 reading->diff = model::compare(model.config(), *config);
                 reading->config = std::move(*config);
             }
             reading->events = model.load(
                 model::without_restart_keys(*reading->config, model.config()), model::now());
             return true;
         },
         [this, author, reading](const model::Model&, const model::Model&) {
             return store::JournalEntry{model::rfc3339(model::now()),
                                        author.name,
                                        author.reason,
                                        "reloaded",
                                        "file",
                                        options_.config,
                                        "",
                                        std::to_string(reading->diff.changes.size()) + " changes"};
         },
         [this, author, reading, then = std::move(then)](const Result<Made, model::Refusal>& made) {
             then(made ? Result<ReloadOutcome, model::Refusal>(
                             reloaded(made->generation, std::move(reading->diff), reading->events))
                       : not_reloaded(author, made.error()));
         }});
}

Unexpected<model::Refusal> Daemon::not_reloaded(const Author& author,
                                                const model::Refusal& refusal) {
    reload_state_.last_is_ok = false;
    reload_state_.last_error = refusal.message;
    log_error("reload-refused",
              {{"by", author.name},
               {"file", options_.config},
               {"errors", refusal.errors.size()},
               {"reason", refusal.message},
               {"generation", publisher_->generation()}});
    return Unexpected{refusal};
}

ReloadOutcome Daemon::reloaded(std::uint64_t generation,
                               model::ConfigDiff diff,
                               const std::vector<std::string>& events) {
    reload_state_ = {model::now(), true, ""};
    note_restart_needs(diff.needs_restart);
    ReloadOutcome outcome;
    outcome.generation = generation;
    outcome.is_changed = !diff.changes.empty() || !events.empty();
    outcome.summary = std::move(diff.changes);
    outcome.summary.insert(outcome.summary.end(), events.begin(), events.end());
    for (const model::RestartNeed& need : diff.needs_restart) {
        outcome.summary.push_back(need.sentence);
    }
    for (const std::string& change : outcome.summary) {
        log_info("reload-change", {{"what", change}, {"generation", generation}});
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
