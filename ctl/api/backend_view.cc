#include <cstdio>

#include "ctl/api/views.h"
#include "ctl/daemon/counts.h"

#include <nlohmann/json.hpp>

namespace fairlead::api {
namespace {

Json one_override(const char* field, Json value, const model::Provenance& made) {
    return {{"field", field},
            {"value", std::move(value)},
            {"by", made.by},
            {"at", made.at},
            {"reason", made.reason}};
}

Json overrides_view(const model::Overrides& overrides, const model::BackendKey& key) {
    Json list = Json::array();
    const auto found = overrides.find(key);
    if (found == overrides.end()) {
        return list;
    }
    const model::BackendOverrides& entry = found->second;
    if (entry.admin) {
        list.push_back(one_override("admin", to_text(entry.admin->value), entry.admin->made));
    }
    if (entry.weight) {
        list.push_back(one_override("weight", entry.weight->value, entry.weight->made));
    }
    if (entry.addition) {
        list.push_back(
            one_override("added", entry.addition->address.text().data(), entry.addition->made));
    }
    if (entry.removal) {
        list.push_back(one_override("removed", true, entry.removal->made));
    }
    return list;
}

Json link_view(const daemon::Daemon& daemon,
               const model::Service& service,
               const model::Backend& backend) {
    if (!backend.link) {
        return nullptr;
    }
    const auto& ports = daemon.model().config().ports;
    const std::size_t index = to_number(backend.link->port);
    const auto confirmed = daemon.link_confirmed_ago(service, backend);
    return {{"port", index < ports.size() ? ports[index].name : std::to_string(index)},
            {"mac", backend.link->mac.text().data()},
            {"confirmed_seconds_ago", confirmed ? Json(confirmed->count()) : Json(nullptr)}};
}

}  // namespace

std::string to_text(const Json& document) {
    return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string to_body(const Json& document) {
    return to_text(document) + "\n";
}

Json backend_view(daemon::Daemon& daemon,
                  const model::Service& service,
                  const model::Backend& backend) {
    const daemon::BackendCounts counts =
        daemon::counts_of(daemon.publisher(), daemon.telemetry(), service, backend);
    Json view = {{"service", service.config.name},
                 {"name", backend.name},
                 {"address", backend.address.text().data()},
                 {"origin", to_text(backend.origin)},
                 {"weight", backend.weight},
                 {"configured_weight", backend.configured_weight},
                 {"effective_weight", backend.ring_weight()},
                 {"admin", to_text(backend.admin)},
                 {"removing", backend.is_removing},
                 {"health", to_text(backend.health)},
                 {"effective", to_text(backend.effective)},
                 {"why", backend.why},
                 {"since", model::rfc3339(backend.since)},
                 {"link", link_view(daemon, service, backend)},
                 {"link_problem", backend.link_problem},
                 {"forwarded_packets", counts.packets},
                 {"forwarded_bytes", counts.bytes},
                 {"new_flows", counts.new_flows},
                 {"active_flows", counts.active_flows}};
    view["index"] = counts.index ? Json(to_number(*counts.index)) : Json(nullptr);
    const auto path_mtu = daemon.path_mtu_to(service, backend);
    view["path_mtu"] = path_mtu ? Json(*path_mtu) : Json(nullptr);
    view["overrides"] =
        overrides_view(daemon.model().overrides(), {service.config.name, backend.name});
    return view;
}

}  // namespace fairlead::api
