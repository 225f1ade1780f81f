#include "ctl/model/model.h"

#include <algorithm>
#include <utility>

#include "ctl/model/intent.h"
#include "ctl/model/min_healthy.h"
#include "ctl/model/reconcile.h"
#include "ctl/model/renames.h"

namespace fairlead::model {

Model::Model(conf::Config config, Kept kept, Time now)
    : config_(std::move(config)), kept_(std::move(kept)) {
    events_ = reconcile(config_, kept_.overrides);
    rebuild(now);
}

void Model::take_over(const publish::Known& known, Time now) {
    services_ = wanted_services(config_, kept_.overrides);
    carry_over(known, services_, now);
    ++shape_;
}

std::vector<std::string> Model::load(conf::Config config, Time now) {
    const Renames renames = renames_between(config_.services, config.services);
    rename(renames, kept_.overrides);
    rename(renames, services_);
    config_ = std::move(config);
    std::vector<std::string> events = reconcile(config_, kept_.overrides);
    rebuild(now);
    return events;
}

void Model::rebuild(Time now) {
    std::vector<Service> wanted = wanted_services(config_, kept_.overrides);
    carry_over(services_, wanted, now);
    services_ = std::move(wanted);
    ++shape_;
}

bool Model::observe_health(const BackendKey& key,
                           const IpAddress& address,
                           Health health,
                           std::string_view reason,
                           Time now) {
    Backend* backend = find_backend(services_, key.service, key.name, address);
    if (backend == nullptr || !backend->is_checked() || backend->health == health) {
        return false;
    }
    backend->health = health;
    backend->health_since = now;
    backend->health_reason = reason;
    backend->is_held = backend->is_held || (holds_ && takes_new_flows(health));
    for (Service& service : services_) {
        if (service.config.name == key.service) {
            follow_min_healthy(service, now);
        }
    }
    judge(*backend, now);
    return true;
}

bool Model::observe_time(Time now) {
    bool is_changed = false;
    for (Service& service : services_) {
        is_changed |= follow_min_healthy(service, now);
    }
    return is_changed;
}

void Model::begin_hold(const std::function<bool(const BackendKey&)>& went_down_with_them,
                       Time now) {
    holds_ = true;
    for (Service& service : services_) {
        for (Backend& backend : service.backends) {
            backend.is_held =
                backend.is_checked() && (takes_new_flows(backend.health) ||
                                         went_down_with_them({service.config.name, backend.name}));
        }
    }
    judge_all(services_, now);
}

void Model::end_hold(Time now) {
    holds_ = false;
    for (Service& service : services_) {
        for (Backend& backend : service.backends) {
            backend.is_held = false;
        }
    }
    judge_all(services_, now);
}

bool Model::observe_link(Backend& backend,
                         const std::optional<publish::Link>& link,
                         std::string_view problem,
                         bool is_lost,
                         Time now) {
    if ((!link || backend.link == link) && backend.link_problem == problem &&
        backend.is_link_lost == is_lost) {
        return false;
    }
    if (link || is_lost) {
        backend.link = link;
    }
    backend.is_link_lost = is_lost;
    backend.link_problem = problem;
    judge(backend, now);
    return true;
}

bool Model::forget(const std::function<bool(const Service&, const Backend&)>& is_gone) {
    bool is_changed = false;
    for (Service& service : services_) {
        is_changed |= std::erase_if(service.backends, [&](const Backend& backend) {
                          return backend.is_removing && is_gone(service, backend);
                      }) > 0;
    }
    is_changed |= std::erase_if(services_, [](const Service& service) {
                      return service.is_removing && service.backends.empty();
                  }) > 0;
    shape_ += is_changed ? 1U : 0U;
    return is_changed;
}

bool Model::has_removing() const {
    return std::any_of(services_.begin(), services_.end(), [](const Service& service) {
        return service.is_removing ||
               std::any_of(service.backends.begin(),
                           service.backends.end(),
                           [](const Backend& backend) { return backend.is_removing; });
    });
}

}  // namespace fairlead::model
