#include "ctl/daemon/min_healthy_watch.h"

#include <utility>

#include <fmt/format.h>

namespace fairlead::daemon {
namespace {

std::string what_is_done(const model::Service& service) {
    switch (service.config.on_min_healthy) {
        case conf::OnMinHealthy::kFailClose:
            return "only those get new flows (fail-close)";
        case conf::OnMinHealthy::kFailOpen:
            return "all that are ready and have a link get new flows, whatever their checks say "
                   "(fail-open)";
        case conf::OnMinHealthy::kFallback:
            return fmt::format(
                "the fallback {} gets the share of new flows of the others",
                service.config.fallback ? service.config.fallback->address.text().data() : "");
    }
    return "";
}

}  // namespace

std::vector<MinHealthyWatch::Change> MinHealthyWatch::look(const model::Model& model) {
    std::vector<Change> changes;
    std::set<std::string, std::less<>> below;
    for (const model::Service& service : model.services()) {
        const std::string& name = service.config.name;
        const bool was_below = below_.contains(name);
        if (service.is_below_min_healthy) {
            below.insert(name);
        }
        if (service.is_below_min_healthy != was_below) {
            changes.push_back({name,
                               service.is_below_min_healthy,
                               model::health_count(service),
                               service.config.on_min_healthy});
        }
    }
    below_ = std::move(below);
    return changes;
}

std::vector<Problem> min_healthy_problems(const model::Model& model) {
    std::vector<Problem> problems;
    for (const model::Service& service : model.services()) {
        if (!service.is_below_min_healthy) {
            continue;
        }
        const model::HealthCount count = model::health_count(service);
        const std::string why =
            count.healthy < count.least
                ? fmt::format(
                      "of {} ready backends of service {} {} are healthy, and min_healthy = "
                      "{} asks for {}",
                      count.total,
                      service.config.name,
                      count.healthy,
                      model::to_text(service.config.min_healthy),
                      count.least)
                : fmt::format(
                      "service {} has {} healthy backends again, as min_healthy = {} asks "
                      "for, but not for {} s yet",
                      service.config.name,
                      count.healthy,
                      model::to_text(service.config.min_healthy),
                      model::kEnoughFor.count());
        problems.push_back({why + ": " + what_is_done(service)});
    }
    return problems;
}

}  // namespace fairlead::daemon
