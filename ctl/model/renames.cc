#include "ctl/model/renames.h"

#include <string_view>
#include <tuple>
#include <unordered_set>
#include <utility>

#include <netinet/in.h>

namespace fairlead::model {
namespace {

// VIP, port, last port, whether it is TCP.
using Identity = std::tuple<IpAddress, std::uint16_t, std::uint16_t, bool>;

Identity identity_of(const conf::ServiceConfig& service) {
    return {service.vip, service.port, service.last_port, service.protocol == conf::Protocol::kTcp};
}

Identity identity_of(const publish::KnownService& service) {
    return {service.vip, service.port, service.last_port, service.protocol == IPPROTO_TCP};
}

Identity identity_of(const Service& service) {
    return identity_of(service.config);
}

const std::string& name_of(const conf::ServiceConfig& service) {
    return service.name;
}

const std::string& name_of(const publish::KnownService& service) {
    return service.name;
}

const std::string& name_of(const Service& service) {
    return service.config.name;
}

template <typename Before, typename After>
Renames find_renames(const std::vector<Before>& before, const std::vector<After>& after) {
    std::unordered_set<std::string_view> names_before;
    for (const Before& service : before) {
        names_before.insert(name_of(service));
    }
    std::unordered_set<std::string_view> names_after;
    std::map<Identity, const std::string*> new_ones;
    for (const After& service : after) {
        names_after.insert(name_of(service));
        if (!names_before.contains(name_of(service))) {
            new_ones.emplace(identity_of(service), &name_of(service));
        }
    }
    Renames renames;
    if (new_ones.empty()) {
        return renames;
    }
    for (const Before& service : before) {
        const auto found = new_ones.find(identity_of(service));
        if (found != new_ones.end() && !names_after.contains(name_of(service))) {
            renames.emplace(name_of(service), *found->second);
            new_ones.erase(found);
        }
    }
    return renames;
}

void rename(const Renames& renames, std::string& name) {
    if (const auto found = renames.find(name); found != renames.end()) {
        name = found->second;
    }
}

}  // namespace

Renames renames_between(const std::vector<conf::ServiceConfig>& before,
                        const std::vector<conf::ServiceConfig>& after) {
    return find_renames(before, after);
}

Renames renames_between(const std::vector<publish::KnownService>& before,
                        const std::vector<conf::ServiceConfig>& after) {
    return find_renames(before, after);
}

Renames renames_between(const std::vector<Service>& before, const std::vector<Service>& after) {
    return find_renames(before, after);
}

void rename(const Renames& renames, Overrides& overrides) {
    if (renames.empty()) {
        return;
    }
    Overrides renamed;
    while (!overrides.empty()) {
        auto entry = overrides.extract(overrides.begin());
        rename(renames, entry.key().service);
        renamed.insert(std::move(entry));
    }
    overrides = std::move(renamed);
}

void rename(const Renames& renames, std::vector<Service>& services) {
    for (Service& service : services) {
        rename(renames, service.config.name);
    }
}

void rename(const Renames& renames, publish::Known& known) {
    for (publish::KnownService& service : known.services) {
        rename(renames, service.name);
    }
    for (publish::KnownBackend& backend : known.backends) {
        rename(renames, backend.service);
    }
}

}  // namespace fairlead::model
