// What operators may change at run time, and what is refused.
#include <utility>

#include "conf/schema/scalars.h"
#include "ctl/model/model.h"
#include "dp/shm/tables.h"

namespace fairlead::model {
namespace {

constexpr std::size_t kMaxBackendsOfService = 4096;
constexpr std::uint32_t kMaxWeight = 256;

std::string text_of(const IpAddress& address) {
    return address.text().data();
}

Unexpected<Refusal> no_backend(const BackendKey& key) {
    return refuse(RefusalCode::kNotFound,
                  "there is no backend " + to_text(key) + "; see `lbctl backend list`");
}

Unexpected<Refusal> fallback_is_the_files(const BackendKey& key) {
    return refuse(
        RefusalCode::kConflict,
        to_text(key) + " is the service's fallback: change `fallback` in the file, and reload");
}

Result<void, Refusal> check_address(const Service& service, const IpAddress& address) {
    if (std::string reason = why_not_a_backend(service.config, address); !reason.empty()) {
        return refuse(RefusalCode::kBadRequest, std::move(reason));
    }
    for (const Backend& backend : service.backends) {
        if (backend.address == address && !backend.is_removing) {
            return refuse(
                RefusalCode::kConflict,
                text_of(address) + " is backend " + backend.name + " of this service already");
        }
    }
    return {};
}

}  // namespace

Result<const Service*, Refusal> Model::service_to_change(std::string_view name) const {
    const Service* service = find_service(services_, name);
    if (service == nullptr) {
        return refuse(RefusalCode::kNotFound,
                      "there is no service " + std::string(name) + "; see `lbctl service list`");
    }
    if (service->is_removing) {
        return refuse(RefusalCode::kConflict,
                      "service " + std::string(name) +
                          " is not in the file any more and goes when its last flow is gone");
    }
    return service;
}

const conf::BackendConfig* Model::in_file(const BackendKey& key) const {
    for (const conf::ServiceConfig& service : config_.services) {
        if (service.name != key.service) {
            continue;
        }
        for (const conf::BackendConfig& backend : service.backends) {
            if (backend.name == key.name) {
                return &backend;
            }
        }
    }
    return nullptr;
}

Result<bool, Refusal> Model::patch(const BackendKey& key,
                                   const BackendPatch& patch,
                                   const Provenance& made,
                                   Time now) {
    const Result<const Service*, Refusal> service = service_to_change(key.service);
    if (!service) {
        return Unexpected{service.error()};
    }
    const Backend* backend = find_backend(**service, key.name);
    if (backend == nullptr) {
        return no_backend(key);
    }
    if (backend->is_removing) {
        return refuse(
            RefusalCode::kConflict,
            "backend " + to_text(key) + " is being removed; add it again first to keep it");
    }
    if (backend->is_fallback) {
        return fallback_is_the_files(key);
    }
    if (patch.weight && *patch.weight > kMaxWeight) {
        return refuse(RefusalCode::kBadRequest, "weight must be 0 to 256");
    }
    const bool changes_admin = patch.admin && *patch.admin != backend->admin;
    const bool changes_weight = patch.weight && *patch.weight != backend->weight;
    if (!changes_admin && !changes_weight) {
        return false;
    }
    BackendOverrides& entry = kept_.overrides[key];
    if (changes_admin) {
        entry.admin.reset();
        if (*patch.admin != Admin::kReady) {
            entry.admin = AdminOverride{*patch.admin, made};
        }
    }
    if (changes_weight) {
        entry.weight.reset();
        if (*patch.weight != backend->configured_weight) {
            entry.weight = WeightOverride{*patch.weight, {}, made};
            if (backend->origin == Origin::kFile) {
                entry.weight->in_file = backend->configured_weight;
            }
        }
    }
    if (entry.empty()) {
        kept_.overrides.erase(key);
    }
    rebuild(now);
    return true;
}

Result<void, Refusal> Model::check_room(const Service& service) const {
    if (service.backends.size() >= kMaxBackendsOfService) {
        return refuse(RefusalCode::kConflict,
                      "the service has " + std::to_string(kMaxBackendsOfService) +
                          " backends, which is all that it can have");
    }
    std::size_t total = 0;
    for (const Service& each : services_) {
        total += each.backends.size();
    }
    if (total >= shm::kMaxBackends) {
        return refuse(
            RefusalCode::kConflict,
            "there are " + std::to_string(total) + " backends, which is all that there can be");
    }
    return {};
}

Result<void, Refusal> Model::add(const BackendKey& key, const Addition& addition, Time now) {
    const Result<const Service*, Refusal> service = service_to_change(key.service);
    if (!service) {
        return Unexpected{service.error()};
    }
    if (!conf::is_name(key.name)) {
        return refuse(RefusalCode::kBadRequest,
                      "name must be 1 to 63 letters, digits, '.', '_' or '-' that begin with a "
                      "letter or digit");
    }
    if (addition.weight > kMaxWeight) {
        return refuse(RefusalCode::kBadRequest, "weight must be 0 to 256");
    }
    const Backend* present = find_backend(**service, key.name);
    if (present != nullptr && !present->is_removing) {
        return refuse(RefusalCode::kConflict, "backend " + to_text(key) + " exists already");
    }
    if (Result<void, Refusal> fits = check_address(**service, addition.address); !fits) {
        return fits;
    }
    if (std::string reason = why_a_vip(config_.services, addition.address); !reason.empty()) {
        return refuse(RefusalCode::kBadRequest, std::move(reason));
    }
    if (Result<void, Refusal> room = check_room(**service); !room) {
        return room;
    }
    BackendOverrides& entry = kept_.overrides[key];
    entry.admin.reset();
    entry.weight.reset();
    if (entry.removal && entry.removal->address == addition.address) {
        entry.admin = entry.removal->admin;
    }
    const conf::BackendConfig* file = in_file(key);
    if (file != nullptr && file->address == addition.address && file->weight == addition.weight) {
        entry.removal.reset();  // it was removed at run time; the file's is what is wanted again
    } else {
        entry.addition = addition;
    }
    if (entry.empty()) {
        kept_.overrides.erase(key);
    }
    rebuild(now);
    return {};
}

Result<bool, Refusal> Model::remove(const BackendKey& key, const Provenance& made, Time now) {
    const Result<const Service*, Refusal> service = service_to_change(key.service);
    if (!service) {
        return Unexpected{service.error()};
    }
    const Backend* backend = find_backend(**service, key.name);
    if (backend == nullptr) {
        return no_backend(key);
    }
    if (backend->is_removing) {
        return false;
    }
    if (backend->is_fallback) {
        return fallback_is_the_files(key);
    }
    BackendOverrides& entry = kept_.overrides[key];
    if (const conf::BackendConfig* file = in_file(key); file != nullptr && !entry.removal) {
        entry.removal = Removal{file->address, file->weight, file->mac, made};
    }
    if (entry.removal && entry.removal->address == backend->address) {
        entry.removal->admin = entry.admin;
    }
    entry.admin.reset();
    entry.weight.reset();
    entry.addition.reset();
    if (entry.empty()) {
        kept_.overrides.erase(key);
    }
    rebuild(now);
    return true;
}

}  // namespace fairlead::model
