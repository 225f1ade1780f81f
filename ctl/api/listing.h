// Lists with an item a service or a backend, which may be thousands: written in turns.
#pragma once

#include <functional>
#include <string>

#include "ctl/api/endpoints.h"
#include "ctl/model/service.h"

#include <nlohmann/json_fwd.hpp>

namespace fairlead::api {

// Which services; what stands in the list for one of them, and for each of its backends: one of
// both is given. null: nothing does.
struct Listing {
    std::string name;     // of the list in its document: "backends"
    std::string service;  // this one alone; "": all
    std::function<nlohmann::json(daemon::Daemon&, const model::Service&)> of_service{};
    std::function<nlohmann::json(daemon::Daemon&, const model::Service&, const model::Backend&)>
        of_backend{};
};

// Answers with {"name": [...]}. What is added or goes meanwhile begins the list anew, so that
// nothing is in it twice or missing.
void respond_with(const Call& call, Listing listing, const Respond& respond);

}  // namespace fairlead::api
