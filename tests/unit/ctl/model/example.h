// A small configuration for the model's tests.
#pragma once

#include <string>

#include "conf/schema/config.h"
#include "ctl/model/model.h"
#include "ctl/model/moment.h"

namespace fairlead::model {

inline IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}

inline Time at(int second) {
    return Time(std::chrono::seconds(1'700'000'000 + second));
}

inline Provenance by_root(const char* reason = "") {
    return {"root (uid 0)", "2026-03-01T12:00:00.000Z", reason};
}

inline conf::BackendConfig backend_config(const char* name, const char* address, unsigned weight) {
    conf::BackendConfig backend;
    backend.name = name;
    backend.address = ip(address);
    backend.weight = weight;
    return backend;
}

// portal: app-1 (10.0.4.1, weight 10) and app-2 (10.0.4.2, weight 20), checked by tcp.
// payments: pay-1 (10.0.5.1, weight 1), unchecked.
inline conf::Config example_config() {
    conf::Config config;
    conf::ServiceConfig& portal = config.services.emplace_back();
    portal.name = "portal";
    portal.vip = ip("203.0.113.10");
    portal.port = 443;
    portal.backends = {backend_config("app-1", "10.0.4.1", 10),
                       backend_config("app-2", "10.0.4.2", 20)};
    conf::ServiceConfig& payments = config.services.emplace_back();
    payments.name = "payments";
    payments.vip = ip("203.0.113.11");
    payments.port = 443;
    payments.forwarding = conf::Forwarding::kIpip;
    payments.health.type = conf::CheckType::kNone;
    payments.backends = {backend_config("pay-1", "10.0.5.1", 1)};
    return config;
}

inline Model example_model() {
    return Model(example_config(), {}, at(0));
}

// The example after both backends of portal have passed their checks.
inline Model healthy_model() {
    Model model = example_model();
    model.observe_health({"portal", "app-1"}, ip("10.0.4.1"), Health::kUp, "", at(1));
    model.observe_health({"portal", "app-2"}, ip("10.0.4.2"), Health::kUp, "", at(1));
    return model;
}

inline const Backend& backend_of(const Model& model, const char* service, const char* name) {
    return *find_backend(*find_service(model.services(), service), name);
}

}  // namespace fairlead::model
