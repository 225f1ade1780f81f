#include "ctl/model/intent.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <netinet/in.h>

#include "conf/schema/keys.h"
#include "conf/schema/service_key.h"
#include "ctl/model/min_healthy.h"
#include "dp/shm/prefix_layout.h"

namespace fairlead::model {
namespace {

Backend backend_of(const conf::BackendConfig& config) {
    Backend backend;
    backend.name = config.name;
    backend.address = config.address;
    backend.configured_weight = config.weight;
    backend.weight = config.weight;
    backend.fixed_mac = config.mac;
    return backend;
}

Backend backend_of(const std::string& name, const Addition& addition) {
    Backend backend;
    backend.name = name;
    backend.address = addition.address;
    backend.origin = Origin::kRuntime;
    backend.configured_weight = addition.weight;
    backend.weight = addition.weight;
    return backend;
}

void add_fallback(const conf::ServiceConfig& config, Service& service) {
    if (!config.fallback) {
        return;
    }
    Backend& backend = service.backends.emplace_back();
    backend.name = conf::kFallbackName;
    backend.address = config.fallback->address;
    backend.is_fallback = true;
}

void apply(const BackendOverrides& entry, Backend& backend) {
    if (entry.admin) {
        backend.admin = entry.admin->value;
    }
    if (entry.weight) {
        backend.weight = entry.weight->value;
    }
}

void add_file_backends(const conf::ServiceConfig& config,
                       const Overrides& overrides,
                       Service& service) {
    for (const conf::BackendConfig& from : config.backends) {
        const auto entry = overrides.find({config.name, from.name});
        if (entry == overrides.end()) {
            service.backends.push_back(backend_of(from));
        } else if (!entry->second.removal) {
            service.backends.push_back(backend_of(from));
            apply(entry->second, service.backends.back());
        }
    }
}

void add_runtime_backends(const Overrides& overrides, Service& service) {
    const std::string& name = service.config.name;
    for (auto entry = overrides.lower_bound({name, ""});
         entry != overrides.end() && entry->first.service == name;
         ++entry) {
        if (entry->second.addition) {
            service.backends.push_back(backend_of(entry->first.name, *entry->second.addition));
            apply(entry->second, service.backends.back());
        }
    }
}

// Health that was valid under the check that there was, under the one that there is.
Health carried_health(Health former, const Service& service, const Backend& backend) {
    if (service.config.health.type == conf::CheckType::kNone || backend.is_fallback) {
        return Health::kUnchecked;
    }
    if (!backend.is_checked()) {
        return former;
    }
    // What served unchecked goes on until a check says otherwise.
    return former == Health::kUnchecked ? Health::kUp : former;
}

void observe(const Backend& former, const Service& service, Backend& backend) {
    backend.health = carried_health(former.health, service, backend);
    backend.health_since = former.health_since;
    backend.health_reason = former.health_reason;
    if (!former.is_checked() && backend.is_checked() && backend.health != Health::kUnchecked) {
        backend.health = Health::kUnknown;  // nobody has looked in the meantime
    }
    backend.link = former.link;
    backend.link_problem = former.link_problem;
    backend.is_link_lost = former.is_link_lost;
    backend.is_held = former.is_held && former.is_checked();
    backend.is_open = former.is_open;
    backend.effective = former.effective;
    backend.since = former.since;
    backend.drain_start = former.drain_start;
    backend.transitions = former.transitions;
    backend.is_noted = former.is_noted;
}

using Identity = std::pair<std::string_view, IpAddress>;  // of a backend within its service

std::map<Identity, Backend*> by_identity(std::vector<Backend>& backends) {
    std::map<Identity, Backend*> index;
    for (Backend& backend : backends) {
        index[{backend.name, backend.address}] = &backend;
    }
    return index;
}

// Whether `is` could get no packet of some port while `was` drains: both take it, and `was` does
// not say it less exactly.
bool is_in_the_way(const conf::ServiceConfig& was, const conf::ServiceConfig& is) {
    return conf::share_a_port(was, is) && conf::scope_of(was) <= conf::scope_of(is);
}

void set_initial_health(std::vector<Service>& services) {
    for (Service& service : services) {
        const bool is_checked = service.config.health.type != conf::CheckType::kNone;
        for (Backend& backend : service.backends) {
            backend.health =
                is_checked && !backend.is_fallback ? Health::kUnknown : Health::kUnchecked;
        }
    }
}

void keep_as_removing(const Backend& former, Service& service) {
    service.backends.push_back(former);
    service.backends.back().is_removing = true;
}

bool is_replaced(const conf::ServiceConfig& was, const std::vector<Service>& by) {
    return std::any_of(
        by.begin(), by.end(), [&was](const Service& is) { return is_in_the_way(was, is.config); });
}

std::optional<conf::Forwarding> forwarding_of(shm::ForwardingMode mode) {
    for (const conf::Forwarding forwarding : {conf::Forwarding::kL2,
                                              conf::Forwarding::kIpip,
                                              conf::Forwarding::kGue,
                                              conf::Forwarding::kGre}) {
        if (mode_of(forwarding) == mode) {
            return forwarding;
        }
    }
    return std::nullopt;
}

// A service that drains needs where its packets are told apart by and how they go on. What keeps
// new flows away (lists, limits) is for those that take some.
std::optional<conf::ServiceConfig> config_of(const publish::KnownService& known) {
    const std::optional<conf::Forwarding> forwarding = forwarding_of(known.mode);
    if (!forwarding || known.name.empty() ||
        (known.protocol != IPPROTO_TCP && known.protocol != IPPROTO_UDP)) {
        return std::nullopt;
    }
    conf::ServiceConfig config;
    config.name = known.name;
    config.vip = known.vip;
    config.port = known.port;
    config.last_port = known.last_port;
    config.protocol = known.protocol == IPPROTO_TCP ? conf::Protocol::kTcp : conf::Protocol::kUdp;
    config.forwarding = *forwarding;
    if (known.source_prefix_bits != 0) {
        config.hash = conf::Hash::kSource;
        config.source_prefix = known.source_prefix_bits;
    }
    config.health.type = conf::CheckType::kNone;
    return config;
}

// Services that the file has lost behind the predecessor's back, or that were leaving already.
void keep_leaving(const std::vector<publish::KnownService>& known, std::vector<Service>& wanted) {
    for (const publish::KnownService& was : known) {
        const bool is_wanted =
            std::any_of(wanted.begin(), wanted.end(), [&was](const Service& service) {
                return service.config.name == was.name;
            });
        std::optional<conf::ServiceConfig> config = config_of(was);
        if (!is_wanted && config && !is_replaced(*config, wanted)) {
            Service& leaving = wanted.emplace_back();
            leaving.config = std::move(*config);
            leaving.is_removing = true;
        }
    }
}

}  // namespace

std::vector<Service> wanted_services(const conf::Config& config, const Overrides& overrides) {
    std::vector<Service> services;
    services.reserve(config.services.size());
    for (const conf::ServiceConfig& from : config.services) {
        Service& service = services.emplace_back();
        service.config = from;
        service.config.backends.clear();
        add_file_backends(from, overrides, service);
        add_runtime_backends(overrides, service);
        add_fallback(from, service);
    }
    set_initial_health(services);
    return services;
}

void carry_over(const std::vector<Service>& former, std::vector<Service>& wanted, Time now) {
    std::map<std::string_view, std::size_t> position;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        position[wanted[i].config.name] = i;
    }
    std::vector<Service> leaving;
    for (const Service& was : former) {
        const auto found = position.find(was.config.name);
        if (found == position.end()) {
            if (!is_replaced(was.config, wanted)) {
                Service& kept = leaving.emplace_back(was);
                kept.is_removing = true;
                for (Backend& backend : kept.backends) {
                    backend.is_removing = true;
                }
            }
            continue;
        }
        Service& is = wanted[found->second];
        is.is_below_min_healthy = was.is_below_min_healthy;
        is.enough_since = was.enough_since;
        std::vector<const Backend*> gone;
        const auto index = by_identity(is.backends);
        for (const Backend& backend : was.backends) {
            const auto same = index.find({backend.name, backend.address});
            if (same == index.end()) {
                gone.push_back(&backend);
            } else {
                observe(backend, is, *same->second);
            }
        }
        for (const Backend* backend : gone) {
            keep_as_removing(*backend, is);
        }
    }
    std::move(leaving.begin(), leaving.end(), std::back_inserter(wanted));
    judge_all(wanted, now);
}

void carry_over(const publish::Known& known, std::vector<Service>& wanted, Time now) {
    std::map<std::string_view, std::vector<const publish::KnownBackend*>> by_service;
    for (const publish::KnownBackend& backend : known.backends) {
        by_service[backend.service].push_back(&backend);
    }
    keep_leaving(known.services, wanted);
    for (Service& service : wanted) {
        const auto index = by_identity(service.backends);
        std::vector<Backend> gone;
        for (const publish::KnownBackend* was : by_service[service.config.name]) {
            const auto same = index.find({was->name, was->address});
            const bool is_wanted = same != index.end();
            Backend leaving;
            Backend& backend = is_wanted ? *same->second : leaving;
            backend.health =
                carried_health(settled(health_from_number(was->health)), service, backend);
            backend.health_since = Time(std::chrono::nanoseconds(was->health_since_ns));
            if (!is_wanted) {
                leaving.name = was->name;
                leaving.address = was->address;
                // For all that is left to do with it, that is what maintenance means.
                leaving.admin = was->keeps_flows ? Admin::kReady : Admin::kMaint;
                gone.push_back(std::move(leaving));
            }
        }
        for (const Backend& backend : gone) {
            keep_as_removing(backend, service);
        }
    }
    std::erase_if(wanted, [](const Service& service) {
        return service.is_removing && service.backends.empty();
    });
    judge_all(wanted, now);
}

void judge_all(std::vector<Service>& services, Time now) {
    for (Service& service : services) {
        follow_min_healthy(service, now);
        for (Backend& backend : service.backends) {
            if (backend.health_since == Time{}) {
                backend.health_since = now;
            }
            judge(backend, now);
        }
    }
}

shm::ForwardingMode mode_of(conf::Forwarding forwarding) {
    switch (forwarding) {
        case conf::Forwarding::kL2:
            return shm::ForwardingMode::kL2;
        case conf::Forwarding::kIpip:
            return shm::ForwardingMode::kIpip;
        case conf::Forwarding::kGue:
            return shm::ForwardingMode::kGue;
        case conf::Forwarding::kGre:
            return shm::ForwardingMode::kGre;
    }
    return shm::ForwardingMode::kL2;
}

namespace {

// What the file may ask for is what the tables hold.
static_assert(conf::kMaxPrefixes == shm::kMaxPrefixes && conf::kMaxServices == shm::kMaxServices);

[[nodiscard]] publish::EchoPolicy echo_policy(conf::IcmpEcho echo) {
    switch (echo) {
        case conf::IcmpEcho::kWhenUp:
            return publish::EchoPolicy::kWhenUp;
        case conf::IcmpEcho::kAlways:
            return publish::EchoPolicy::kAlways;
        case conf::IcmpEcho::kNever:
            break;
    }
    return publish::EchoPolicy::kNever;
}

}  // namespace

std::vector<publish::DesiredService> desired_services(const std::vector<Service>& services) {
    std::vector<publish::DesiredService> desired;
    desired.reserve(services.size());
    for (const Service& service : services) {
        publish::DesiredService& out = desired.emplace_back();
        out.name = service.config.name;
        out.vip = service.config.vip;
        out.port = service.config.port;
        out.last_port = service.config.last_port;
        out.source_prefix_bits = conf::source_prefix_bits(service.config);
        out.protocol = service.config.protocol == conf::Protocol::kTcp ? IPPROTO_TCP : IPPROTO_UDP;
        out.mode = mode_of(service.config.forwarding);
        out.echo = echo_policy(service.config.icmp_echo);
        out.rejects_unmatched = service.config.unmatched == conf::Unmatched::kReject;
        out.sources = {service.config.allow, service.config.deny};
        out.packets_per_second = service.config.limits.packets;
        out.new_flows_per_second = service.config.limits.new_flows_per_source;
        out.backends.reserve(service.backends.size());
        // Where nobody serves there is nowhere to go, and the fault may be the checks' own. Where
        // the links of all are lost, it is hardly the servers: the shares stay for their return.
        const bool is_up = service.is_up();
        const bool moves = conf::on_down_of(service.config) == conf::OnDown::kMove;
        for (const Backend& backend : service.backends) {
            const bool is_taken_out = is_up && backend.is_taken_out();
            const std::uint32_t weight =
                !is_up && backend.lacks_only_link ? backend.weight : backend.ring_weight();
            out.backends.push_back({backend.name,
                                    backend.address,
                                    weight,
                                    weight > 0,
                                    backend.keeps_flows() && !(is_taken_out && moves),
                                    is_taken_out,
                                    backend.link,
                                    backend.is_link_lost,
                                    static_cast<std::uint32_t>(backend.health),
                                    backend.health_since.time_since_epoch().count()});
        }
    }
    return desired;
}

}  // namespace fairlead::model
