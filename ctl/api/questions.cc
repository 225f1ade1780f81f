#include "ctl/api/endpoints.h"
#include "ctl/api/error_response.h"
#include "ctl/api/listing.h"
#include "ctl/api/views.h"

#include <nlohmann/json.hpp>

namespace fairlead::api {
namespace {

using model::RefusalCode;

Response no_service(const std::string& name) {
    return error_response(RefusalCode::kNotFound,
                          "there is no service " + name + "; see `lbctl service list`");
}

// Whether somebody may switch the server off by its `active_flows`.
void add_flow_count(daemon::Daemon& daemon, Json& view) {
    const auto count = daemon.flow_count();
    const bool is_placed = !view["index"].is_null();
    view["flow_count"] = nullptr;
    view["flow_count_problem"] = !is_placed ? "the engine does not know this backend yet"
                                 : count    ? ""
                                            : count.error().message;
    if (is_placed && count) {
        view["flow_count"] = {{"engine_started_ns", count->engine_started_ns},
                              {"number", count->number}};
    }
}

// The service that the path names; nullptr, and answered so, if there is none.
const model::Service* named_service(const Call& call, const Respond& respond) {
    const model::Service* const service =
        model::find_service(call.daemon.model().services(), call.service);
    if (service == nullptr) {
        respond(no_service(call.service));
    }
    return service;
}

}  // namespace

void get_status(const Call& call, const Respond& respond) {
    respond({200, to_body(status_view(call.daemon))});
}

void get_version(const Call& call, const Respond& respond) {
    respond({200, to_body(version_view(call.daemon))});
}

void get_health(const Call& call, const Respond& respond) {
    respond_with(call, {.name = "checks", .service = "", .of_backend = health_view}, respond);
}

void get_drops(const Call& call, const Respond& respond) {
    const auto filter = call.target.query.find("service");
    const model::Service* only = nullptr;
    if (filter != call.target.query.end()) {
        only = model::find_service(call.daemon.model().services(), filter->second);
        if (only == nullptr) {
            respond(no_service(filter->second));
            return;
        }
    }
    respond({200, to_body(drops_view(call.daemon, only))});
}

void get_services(const Call& call, const Respond& respond) {
    respond_with(call,
                 {.name = "services",
                  .service = "",
                  .of_service =
                      [](daemon::Daemon& daemon, const model::Service& service) {
                          return service_view(daemon, service, false);
                      }},
                 respond);
}

void get_service(const Call& call, const Respond& respond) {
    call.daemon.telemetry().refresh();
    const model::Service* const service = named_service(call, respond);
    if (service == nullptr) {
        return;
    }
    respond({200, to_body(service_view(call.daemon, *service, true))});
}

void get_backends(const Call& call, const Respond& respond) {
    const auto filter = call.target.query.find("service");
    const bool is_filtered = filter != call.target.query.end();
    if (is_filtered &&
        model::find_service(call.daemon.model().services(), filter->second) == nullptr) {
        respond(no_service(filter->second));
        return;
    }
    respond_with(call,
                 {.name = "backends",
                  .service = is_filtered ? filter->second : "",
                  .of_backend = backend_view},
                 respond);
}

void get_backend(const Call& call, const Respond& respond) {
    call.daemon.telemetry().refresh();
    const model::Service* const service = named_service(call, respond);
    if (service == nullptr) {
        return;
    }
    const model::Backend* backend = model::find_backend(*service, call.backend);
    if (backend == nullptr) {
        respond(error_response(RefusalCode::kNotFound,
                               "there is no backend " + call.service + "/" + call.backend +
                                   "; see `lbctl backend list`"));
        return;
    }
    // Before the flows are read: a count counts from its look on.
    static_cast<void>(call.daemon.look_at_engine());
    Json view = backend_view(call.daemon, *service, *backend);
    add_flow_count(call.daemon, view);
    respond({200, to_body(view)});
}

}  // namespace fairlead::api
