#include <fmt/format.h>

#include "conf/schema/service_key.h"
#include "ctl/api/views.h"
#include "ctl/daemon/counts.h"
#include "ctl/model/min_healthy.h"
#include "dp/shm/drop_reason.h"

#include <nlohmann/json.hpp>

namespace fairlead::api {
namespace {

Json dropped_view(const std::array<std::uint64_t, kDropReasonCount>& dropped) {
    Json view = Json::object();
    for (std::size_t i = 1; i < kDropReasonCount; ++i) {
        if (dropped[i] > 0) {
            view[std::string(kDropReasonTexts[i].metric)] = dropped[i];
        }
    }
    return view;
}

// null: none is asked for.
Json min_healthy_view(const model::Service& service) {
    const conf::ServiceConfig& config = service.config;
    if (!config.min_healthy.is_set()) {
        return nullptr;
    }
    const model::HealthCount count = model::health_count(service);
    return {{"configured", model::to_text(config.min_healthy)},
            {"on_min_healthy", conf::to_text(config.on_min_healthy)},
            {"ready", count.total},
            {"healthy", count.healthy},
            {"least", count.least},
            {"below", service.is_below_min_healthy},
            {"fallback",
             config.fallback ? Json(config.fallback->address.text().data()) : Json(nullptr)}};
}

}  // namespace

Json service_view(daemon::Daemon& daemon, const model::Service& service, bool with_backends) {
    const conf::ServiceConfig& config = service.config;
    publish::TelemetryView::ServiceTotals totals;
    if (const auto id = daemon.publisher().service_id(config.name)) {
        totals = daemon.telemetry().service_totals(*id);
    }
    std::uint64_t active_flows = 0;
    std::size_t serving = 0;  // the fallback is none of the service's own
    std::size_t total = 0;
    Json backends = Json::array();
    for (const model::Backend& backend : service.backends) {
        serving +=
            backend.effective == model::Effective::kServing && !backend.is_fallback ? 1U : 0U;
        total += backend.is_fallback ? 0U : 1U;
        active_flows += daemon::counts_of(daemon.publisher(), daemon.telemetry(), service, backend)
                            .active_flows;
        if (with_backends) {
            backends.push_back(backend_view(daemon, service, backend));
        }
    }
    Json view = {
        {"name", config.name},
        {"vip", conf::vip_text(config)},
        {"protocol", config.protocol == conf::Protocol::kTcp ? "tcp" : "udp"},
        {"forwarding", conf::to_text(config.forwarding)},
        {"hash", conf::hash_text(config)},
        {"up", service.is_up()},
        {"removing", service.is_removing},
        {"fingerprint", fmt::format("{:08x}", daemon.publisher().fingerprint(config.name))},
        {"backends_total", total},
        {"backends_serving", serving},
        {"min_healthy", min_healthy_view(service)},
        {"received_packets", totals.received_packets},
        {"received_bytes", totals.received_bytes},
        {"new_flows", totals.new_flows},
        {"active_flows", active_flows},
        {"dropped", dropped_view(totals.dropped)},
        {"allow_prefixes", config.allow ? config.allow->size() : 0},
        {"deny_prefixes", config.deny ? config.deny->size() : 0},
        {"limits",
         {{"packets", config.limits.packets},
          {"new_flows_per_source", config.limits.new_flows_per_source}}}};
    if (with_backends) {
        view["backends"] = std::move(backends);
    }
    return view;
}

}  // namespace fairlead::api
