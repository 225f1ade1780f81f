// The changes that operators ask for: kept on disk, put in force, written into the journal.
#include <utility>

#include "ctl/daemon/daemon.h"
#include "ctl/daemon/observe.h"
#include "ctl/model/guard.h"
#include "ctl/model/overrides_file.h"
#include "dp/base/log.h"

namespace fairlead::daemon {
namespace {

using model::RefusalCode;

model::Provenance made_by(const Author& author) {
    return {author.name, model::rfc3339(model::now()), author.reason};
}

std::string describe(const model::Backend& backend) {
    return "admin " + std::string(to_text(backend.admin)) + ", weight " +
           std::to_string(backend.weight);
}

const model::Backend* find(const model::Model& model, const model::BackendKey& key) {
    const model::Service* service = model::find_service(model.services(), key.service);
    return service == nullptr ? nullptr : model::find_backend(*service, key.name);
}

}  // namespace

Result<std::uint64_t, model::Refusal> Daemon::commit(model::Model candidate, const Author& author) {
    const std::string lost =
        author.forces ? "" : model::why_guarded(model_->services(), candidate.services());
    if (!lost.empty()) {
        return model::refuse(RefusalCode::kConflict,
                             lost +
                                 ". Nothing was changed. To do it all the same: ?force=1 "
                                 "(lbctl: --force)");
    }
    const bool changes_overrides = candidate.kept() != model_->kept();
    if (changes_overrides) {
        if (Status saved = model::save_overrides(options_.state_dir, candidate.kept()); !saved) {
            return model::refuse(
                RefusalCode::kInternal,
                "the change cannot be kept, so it was not made: " + saved.error().message);
        }
    }
    observe_links(*neighbors_, candidate, model::now());
    telemetry_.refresh();
    const Result<publish::Published> published =
        publisher_->publish(desired(candidate), publish::Shortage::kRefuse);
    if (!published) {
        observe_links(*neighbors_, *model_, model::now());  // its needs are what they were
        if (changes_overrides) {
            if (Status saved = model::save_overrides(options_.state_dir, model_->kept()); !saved) {
                log_error("overrides-not-restored", {{"reason", saved.error().message}});
            }
        }
        return model::refuse(RefusalCode::kUnavailable, published.error().message);
    }
    *model_ = std::move(candidate);
    go_on(*published);
    return published->generation;
}

Result<PatchOutcome, model::Refusal> Daemon::patch(const model::BackendKey& key,
                                                   const model::BackendPatch& patch,
                                                   const Author& author) {
    model::Model candidate = *model_;
    const auto changed = candidate.patch(key, patch, made_by(author), model::now());
    if (!changed) {
        return Unexpected{changed.error()};
    }
    const model::Backend before = *find(*model_, key);
    PatchOutcome outcome{publisher_->generation(), *changed, before.admin, before.weight};
    if (!*changed) {
        return outcome;
    }
    const auto generation = commit(std::move(candidate), author);
    if (!generation) {
        return Unexpected{generation.error()};
    }
    outcome.generation = *generation;
    log_info("backend-changed",
             {{"backend", to_text(key)},
              {"by", author.name},
              {"reason", author.reason},
              {"before", describe(before)},
              {"after", describe(*find(*model_, key))},
              {"generation", *generation}});
    after_change();
    return outcome;
}

Result<std::uint64_t, model::Refusal> Daemon::add(const model::BackendKey& key,
                                                  const IpAddress& address,
                                                  std::uint32_t weight,
                                                  const Author& author) {
    model::Model candidate = *model_;
    const auto added = candidate.add(key, {address, weight, made_by(author)}, model::now());
    if (!added) {
        return Unexpected{added.error()};
    }
    auto generation = commit(std::move(candidate), author);
    if (!generation) {
        return generation;
    }
    log_info("backend-added",
             {{"backend", to_text(key)},
              {"by", author.name},
              {"reason", author.reason},
              {"address", address.text().data()},
              {"weight", weight},
              {"generation", *generation}});
    after_change();
    return generation;
}

Result<std::uint64_t, model::Refusal> Daemon::remove(const model::BackendKey& key,
                                                     const Author& author,
                                                     const std::function<void()>& on_removed) {
    model::Model candidate = *model_;
    const auto removed = candidate.remove(key, made_by(author), model::now());
    if (!removed) {
        return Unexpected{removed.error()};
    }
    std::uint64_t in_force = publisher_->generation();
    if (*removed) {
        const std::string before = describe(*find(*model_, key));
        auto generation = commit(std::move(candidate), author);
        if (!generation) {
            return generation;
        }
        in_force = *generation;
        log_info("backend-removed",
                 {{"backend", to_text(key)},
                  {"by", author.name},
                  {"reason", author.reason},
                  {"before", before},
                  {"after", "removed"},
                  {"generation", in_force}});
    }
    on_removed();
    after_change();
    return in_force;
}

Result<bool, model::Refusal> Daemon::set_node(model::Admin admin, const Author& author) {
    const model::Admin before = model_->node() ? model_->node()->value : model::Admin::kReady;
    if (admin == before) {
        return false;
    }
    model::Model candidate = *model_;
    candidate.set_node(admin == model::Admin::kReady
                           ? std::nullopt
                           : std::optional(model::AdminOverride{admin, made_by(author)}));
    if (const auto committed = commit(std::move(candidate), author); !committed) {
        return Unexpected{committed.error()};
    }
    log_info("node-changed",
             {{"by", author.name},
              {"reason", author.reason},
              {"before", to_text(before)},
              {"after", to_text(admin)}});
    return true;
}

}  // namespace fairlead::daemon
