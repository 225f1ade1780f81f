// The changes that operators ask for: one after the other written down, put in force, answered.
#include <utility>

#include "ctl/daemon/daemon.h"
#include "ctl/daemon/observe.h"
#include "ctl/loop/main_loop.h"
#include "ctl/model/guard.h"
#include "dp/base/log.h"

namespace fairlead::daemon {
namespace {

using model::RefusalCode;

// Beyond that the disk is so slow that a caller is better told.
constexpr std::size_t kMaxWaiting = 1'024;

model::Provenance made_by(const Author& author) {
    return {author.name, model::rfc3339(model::now()), author.reason};
}

store::JournalEntry entry_of(const Author& author,
                             std::string what,
                             std::string of,
                             std::string subject) {
    return {model::rfc3339(model::now()),
            author.name,
            author.reason,
            std::move(what),
            std::move(of),
            std::move(subject),
            {},
            {}};
}

std::string describe(const model::Backend* backend) {
    return backend == nullptr || backend->is_removing
               ? "not there"
               : "admin " + std::string(to_text(backend->admin)) + ", weight " +
                     std::to_string(backend->weight);
}

const model::Backend* find(const model::Model& model, const model::BackendKey& key) {
    const model::Service* service = model::find_service(model.services(), key.service);
    return service == nullptr ? nullptr : model::find_backend(*service, key.name);
}

}  // namespace

// Theory of operation. A change is made on a copy of the model, which tells whether it can be, and
// what it would have to be kept as. When that is on disk, it is made once more, on what the model
// has become meanwhile by checks and links, and is published. Then it has happened, and the caller
// is told. What cannot be published is taken back on disk first.
void Daemon::change(Change change) {
    if (changes_.size() >= kMaxWaiting) {
        change.then(model::refuse(RefusalCode::kUnavailable,
                                  "so many changes wait for the disk of the state directory "
                                  "already: try again"));
        return;
    }
    changes_.push_back(std::move(change));
    if (!is_changing_) {
        is_changing_ = true;
        begin_change();
    }
}

void Daemon::begin_change() {
    Change& change = changes_.front();
    model::Model candidate = *model_;
    const Result<bool, model::Refusal> applied = change.apply(candidate);
    if (!applied) {
        end_change(Unexpected{applied.error()});
        return;
    }
    if (!*applied) {
        end_change(Made{publisher_->generation(), false});
        return;
    }
    if (const auto refusal = why_guarded(candidate)) {
        end_change(Unexpected{*refusal});
        return;
    }
    store::Change kept = store::difference(model_->kept(), candidate.kept());
    const bool must_be_kept = !kept.empty();
    change.kept = candidate.kept();
    kept.journal.push_back(change.entry(*model_, candidate));
    if (!must_be_kept) {  // it stands in the file: the journal can wait
        store_->write(std::move(kept), [](const Status&) {});
        put_in_force();
        return;
    }
    store_->write(std::move(kept), [this](const Status& written) {
        if (written) {
            put_in_force();
            return;
        }
        end_change(model::refuse(
            RefusalCode::kInternal,
            "the change cannot be kept, so it was not made: " + written.error().message));
    });
}

std::optional<model::Refusal> Daemon::why_guarded(const model::Model& candidate) const {
    const std::string lost = changes_.front().author.forces
                                 ? ""
                                 : model::why_guarded(model_->services(), candidate.services());
    if (lost.empty()) {
        return std::nullopt;
    }
    return model::Refusal{
        RefusalCode::kConflict,
        lost + ". Nothing was changed. To do it all the same: ?force=1 (lbctl: --force)",
        {}};
}

void Daemon::put_in_force() {
    Change& change = changes_.front();
    model::Model candidate = *model_;
    const Result<bool, model::Refusal> applied = change.apply(candidate);
    if (!applied) {
        take_back(applied.error());
        return;
    }
    if (const auto refusal = why_guarded(candidate)) {
        take_back(*refusal);
        return;
    }
    observe_links(*neighbors_, candidate, model::now());
    telemetry_.refresh();
    const Result<publish::Published> published =
        publisher_->publish(desired(candidate), publish::Shortage::kRefuse);
    if (!published) {
        observe_links(*neighbors_, *model_, model::now());  // its needs are what they were
        take_back({RefusalCode::kUnavailable, published.error().message, {}});
        return;
    }
    const store::JournalEntry made = change.entry(*model_, candidate);
    *model_ = std::move(candidate);
    go_on(*published);
    log_info(made.what,
             {{made.of, made.subject},
              {"by", made.by},
              {"reason", made.reason},
              {"before", made.before},
              {"after", made.after},
              {"generation", published->generation}});
    end_change(Made{published->generation, true});
}

// Answered when it is off the disk again: what was refused must not come back with the next start.
void Daemon::take_back(const model::Refusal& refusal) {
    store::Change kept = store::difference(changes_.front().kept, model_->kept());
    if (kept.empty()) {
        end_change(Unexpected{refusal});
        return;
    }
    kept.journal.push_back(
        entry_of(changes_.front().author, "change-taken-back", "why", refusal.message));
    store_->write(std::move(kept), [this, refusal](const Status& written) {
        model::Refusal told = refusal;
        if (!written) {
            log_error("change-not-taken-back", {{"reason", written.error().message}});
            told.message += "; and the disk cannot be told so (" + written.error().message +
                            "): the next start of lbd would make it";
        }
        end_change(Unexpected{told});
    });
}

void Daemon::end_change(const Result<Made, model::Refusal>& outcome) {
    const Change change = std::move(changes_.front());
    changes_.pop_front();
    change.then(outcome);
    if (outcome && outcome->is_changed) {
        after_change();
    }
    is_changing_ = !changes_.empty();
    if (is_changing_) {
        loop::post(loop_, [this] { begin_change(); });
    }
}

void Daemon::patch(const model::BackendKey& key,
                   const model::BackendPatch& patch,
                   const Author& author,
                   std::function<void(const Result<PatchOutcome, model::Refusal>&)> then) {
    const auto before = std::make_shared<PatchOutcome>();
    change({author,
            [key, patch, made = made_by(author), before](model::Model& model) {
                if (const model::Backend* const was = find(model, key)) {
                    before->admin_before = was->admin;
                    before->weight_before = was->weight;
                }
                return model.patch(key, patch, made, model::now());
            },
            [key, author](const model::Model& was, const model::Model& is) {
                store::JournalEntry entry =
                    entry_of(author, "backend-changed", "backend", to_text(key));
                entry.before = describe(find(was, key));
                entry.after = describe(find(is, key));
                return entry;
            },
            [before, then = std::move(then)](const Result<Made, model::Refusal>& made) {
                if (!made) {
                    then(Unexpected{made.error()});
                    return;
                }
                before->generation = made->generation;
                before->is_changed = made->is_changed;
                then(*before);
            }});
}

void Daemon::add(const model::BackendKey& key,
                 const IpAddress& address,
                 std::uint32_t weight,
                 const Author& author,
                 Then then) {
    change({author,
            [key, addition = model::Addition{address, weight, made_by(author)}](
                model::Model& model) -> Result<bool, model::Refusal> {
                const auto added = model.add(key, addition, model::now());
                if (!added) {
                    return Unexpected{added.error()};
                }
                return true;
            },
            [key, author](const model::Model& was, const model::Model& is) {
                store::JournalEntry entry =
                    entry_of(author, "backend-added", "backend", to_text(key));
                const model::Backend* const added = find(is, key);
                entry.before = describe(find(was, key));
                entry.after = describe(added) + (added == nullptr ? "" : ", address ") +
                              (added == nullptr ? "" : added->address.text().data());
                return entry;
            },
            std::move(then)});
}

void Daemon::remove(const model::BackendKey& key, const Author& author, Then then) {
    change({author,
            [key, made = made_by(author)](model::Model& model) {
                return model.remove(key, made, model::now());
            },
            [key, author](const model::Model& was, const model::Model& is) {
                store::JournalEntry entry =
                    entry_of(author, "backend-removed", "backend", to_text(key));
                entry.before = describe(find(was, key));
                entry.after = describe(find(is, key));
                return entry;
            },
            std::move(then)});
}

void Daemon::set_node(model::Admin admin, const Author& author, Then then) {
    const auto admin_of = [](const model::Model& model) {
        return model.node() ? model.node()->value : model::Admin::kReady;
    };
    change({author,
            [admin, made = made_by(author), admin_of](
                model::Model& model) -> Result<bool, model::Refusal> {
                if (admin == admin_of(model)) {
                    return false;
                }
                model.set_node(admin == model::Admin::kReady
                                   ? std::nullopt
                                   : std::optional(model::AdminOverride{admin, made}));
                return true;
            },
            [author, admin_of](const model::Model& was, const model::Model& is) {
                store::JournalEntry entry = entry_of(author, "node-changed", "node", "this");
                entry.before = to_text(admin_of(was));
                entry.after = to_text(admin_of(is));
                return entry;
            },
            std::move(then)});
}

}  // namespace fairlead::daemon
