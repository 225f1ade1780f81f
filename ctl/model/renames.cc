#include "ctl/model/renames.h"

#include <set>
#include <string_view>
#include <tuple>
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

template <typename Before>
Renames find_renames(const std::vector<Before>& before,
                     const std::vector<conf::ServiceConfig>& after) {
    std::set<std::string_view> names_before;
    for (const Before& service : before) {
        names_before.insert(service.name);
    }
    std::set<std::string_view> names_after;
    std::map<Identity, const std::string*> new_ones;
    for (const conf::ServiceConfig& service : after) {
        names_after.insert(service.name);
        if (!names_before.contains(service.name)) {
            new_ones.emplace(identity_of(service), &service.name);
        }
    }
    Renames renames;
    for (const Before& service : before) {
        const auto found = new_ones.find(identity_of(service));
        if (found != new_ones.end() && !names_after.contains(service.name)) {
            renames.emplace(service.name, *found->second);
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
