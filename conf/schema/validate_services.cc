#include <map>
#include <tuple>

#include <fmt/format.h>

#include "conf/schema/keys.h"
#include "conf/schema/service_key.h"
#include "conf/schema/validate.h"

namespace fairlead::conf {

namespace {

[[nodiscard]] std::string_view family(const IpAddress& address) noexcept {
    return address.is_v4() ? "IPv4" : "IPv6";
}

[[nodiscard]] std::string_view word(Protocol protocol) noexcept {
    return protocol == Protocol::kTcp ? "tcp" : "udp";
}

class ServicesValidator {
  public:
    ServicesValidator(const Reading& reading, Problems& problems)
        : reading_(reading), problems_(problems) {}

    void run() {
        const std::vector<ServiceConfig>& services = reading_.config.services;
        const std::vector<Node>& nodes = Reading::elements(*reading_.root, "service");
        check_limits(services);
        for (std::size_t i = 0; i < services.size(); ++i) {
            if (nodes[i].kind == NodeKind::kTable &&
                reading_.accepted(nodes[i], "vip") != nullptr) {
                vip_owners_.try_emplace(services[i].vip, &services[i]);
            }
        }
        for (std::size_t i = 0; i < services.size(); ++i) {
            if (nodes[i].kind == NodeKind::kTable) {
                check_name(services[i], nodes[i]);
                check_vip(services[i], nodes[i]);
                check_tunnel_source(services[i], nodes[i]);
                check_health(services[i], nodes[i]);
                check_backends(services[i], nodes[i]);
            }
        }
    }

  private:
    void check_limits(const std::vector<ServiceConfig>& services) {
        if (services.size() > kMaxServices) {
            problems_.add(
                {}, fmt::format("{} services; there can be {}", services.size(), kMaxServices));
        }
        std::size_t backends = 0;
        for (const ServiceConfig& service : services) {
            backends += service.backends.size() + (service.fallback ? 1 : 0);
        }
        if (backends > kMaxBackends) {
            problems_.add(
                {}, fmt::format("{} backends in all; there can be {}", backends, kMaxBackends));
        }
    }

    void check_name(const ServiceConfig& service, const Node& node) {
        const Entry* name = reading_.accepted(node, "name");
        if (name == nullptr) {
            return;
        }
        const auto [first, is_new] = names_.try_emplace(service.name, name->value.place);
        if (!is_new) {
            problems_.add(name->value.place,
                          fmt::format("service {} is there already, at line {}",
                                      quoted(service.name),
                                      first->second.line));
        }
    }

    void check_vip(const ServiceConfig& service, const Node& node) {
        const Entry* vip = reading_.accepted(node, "vip");
        if (vip == nullptr) {
            return;
        }
        const std::string_view reason = why_not_a_host(service.vip);
        if (!reason.empty()) {
            problems_.add(vip->value.place,
                          fmt::format("\"vip\" {} is {}: clients cannot reach it",
                                      service.vip.text().data(),
                                      reason));
        }
        if ((node.find("protocol") != nullptr && reading_.accepted(node, "protocol") == nullptr) ||
            scope_of(service) != PortScope::kOne) {
            return;
        }
        const auto [first, is_new] =
            vips_.try_emplace({service.vip, service.protocol, service.port}, vip->value.place);
        if (!is_new) {
            problems_.add(vip->value.place,
                          fmt::format("{} {} is another service's already, at line {}",
                                      quoted(vip->value.text),
                                      word(service.protocol),
                                      first->second.line));
        }
    }

    // A tunnel's source is of the backend's family. Of an interface the kernel tells the address;
    // where there are only vdevs, nobody does.
    void check_tunnel_source(const ServiceConfig& service, const Node& node) {
        if (service.forwarding == Forwarding::kL2 || reading_.accepted(node, "vip") == nullptr) {
            return;
        }
        for (const bool is_v4 : {true, false}) {
            const bool is_needed = service.backends.empty()
                                       ? service.vip.is_v4() == is_v4
                                       : std::any_of(service.backends.begin(),
                                                     service.backends.end(),
                                                     [is_v4](const BackendConfig& backend) {
                                                         return backend.address.is_v4() == is_v4;
                                                     });
            if (is_needed && !has_tunnel_source(is_v4)) {
                problems_.add(Reading::place_of(node, "forwarding"),
                              fmt::format("no [[port]] has an {} \"address\" or \"tunnel_source\" "
                                          "to tunnel from",
                                          is_v4 ? "IPv4" : "IPv6"));
            }
        }
    }

    [[nodiscard]] bool has_tunnel_source(bool is_v4) const {
        const std::vector<PortConfig>& ports = reading_.config.ports;
        return ports.empty() ||
               std::any_of(ports.begin(), ports.end(), [is_v4](const PortConfig& port) {
                   return port.vdev.empty() ||
                          std::any_of(port.tunnel_sources.begin(),
                                      port.tunnel_sources.end(),
                                      [is_v4](const IpAddress& source) {
                                          return source.is_v4() == is_v4;
                                      }) ||
                          (port.tunnel_source_prefix &&
                           port.tunnel_source_prefix->address.is_v4() == is_v4) ||
                          std::any_of(port.addresses.begin(),
                                      port.addresses.end(),
                                      [is_v4](const auto& prefix) {
                                          return prefix.address.is_v4() == is_v4;
                                      });
               });
    }

    void check_health(const ServiceConfig& service, const Node& node) {
        const HealthConfig& health = service.health;
        const Node* own = Reading::health_of(node);
        const Entry* defaults = reading_.root->find("defaults");
        const Entry* shared = defaults == nullptr ? nullptr : defaults->value.find("health");
        for (const std::string_view key : {"interval", "timeout", "type", "port"}) {
            const bool is_refused = (own != nullptr && own->find(key) != nullptr &&
                                     reading_.accepted(*own, key) == nullptr) ||
                                    (shared != nullptr && shared->value.find(key) != nullptr &&
                                     reading_.accepted(shared->value, key) == nullptr);
            if (is_refused) {
                return;
            }
        }
        const Node& table = own == nullptr ? node : *own;
        if (health.type != CheckType::kNone && health.timeout > health.interval) {
            problems_.add(Reading::place_of(table, "timeout"),
                          fmt::format("the check's timeout of {} is longer than its interval of {}",
                                      duration_text(health.timeout),
                                      duration_text(health.interval)));
        }
        const bool is_protocol_known =
            node.find("protocol") == nullptr || reading_.accepted(node, "protocol") != nullptr;
        if (is_protocol_known && service.protocol == Protocol::kUdp &&
            health.type != CheckType::kNone && !health.port) {
            problems_.add(
                Reading::place_of(table, "type"),
                fmt::format(
                    "a {} check cannot use the port of a udp service: give the check a \"port\" "
                    "that answers, or type = \"none\", in [[service.health]]",
                    health.type == CheckType::kTcp ? "tcp" : "http"));
        }
    }

    void check_backends(const ServiceConfig& service, const Node& node) {
        const std::vector<Node>& nodes = Reading::elements(node, "backend");
        if (service.backends.size() > kMaxBackendsOfService) {
            problems_.add(node.place,
                          fmt::format("{} backends in service {}; there can be {}",
                                      service.backends.size(),
                                      quoted(service.name),
                                      kMaxBackendsOfService));
        }
        std::map<std::string_view, Place> names;
        std::map<IpAddress, Place> addresses;
        for (std::size_t i = 0; i < service.backends.size(); ++i) {
            const BackendConfig& backend = service.backends[i];
            if (const Entry* name = reading_.accepted(nodes[i], "name"); name != nullptr) {
                const auto [first, is_new] = names.try_emplace(backend.name, name->value.place);
                if (!is_new) {
                    problems_.add(name->value.place,
                                  fmt::format("backend {} is in this service already, at line {}",
                                              quoted(backend.name),
                                              first->second.line));
                }
            }
            if (const Entry* address = reading_.accepted(nodes[i], "address"); address != nullptr) {
                const auto [first, is_new] =
                    addresses.try_emplace(backend.address, address->value.place);
                if (!is_new) {
                    problems_.add(address->value.place,
                                  fmt::format("{} is a backend of this service already, at line {}",
                                              backend.address.text().data(),
                                              first->second.line));
                }
                check_backend_address(service, node, backend, *address);
            }
        }
    }

    void check_backend_address(const ServiceConfig& service,
                               const Node& node,
                               const BackendConfig& backend,
                               const Entry& address) {
        const Place place = address.value.place;
        const std::string_view reason = why_not_a_host(backend.address);
        if (!reason.empty()) {
            problems_.add(place,
                          fmt::format("{} is {}: it cannot be a backend's address",
                                      backend.address.text().data(),
                                      reason));
        }
        if (reading_.accepted(node, "vip") == nullptr) {
            return;
        }
        const auto owner = vip_owners_.find(backend.address);
        if (backend.address == service.vip) {
            problems_.add(place, "this is the VIP itself: give the server's own address");
        } else if (owner != vip_owners_.end()) {
            problems_.add(place,
                          fmt::format("{} is the VIP of service {}: its packets would come back "
                                      "here; give the server's own address",
                                      backend.address.text().data(),
                                      quoted(owner->second->name)));
        }
        if (service.forwarding == Forwarding::kL2 &&
            backend.address.is_v4() != service.vip.is_v4()) {
            problems_.add(
                place,
                fmt::format("an {} backend cannot serve an {} VIP by forwarding = \"l2\", "
                            "which sends packets on as they came; a tunnel can (\"ipip\", "
                            "\"gue\", \"gre\")",
                            family(backend.address),
                            family(service.vip)));
        }
    }

    const Reading& reading_;
    Problems& problems_;
    std::map<std::string_view, Place> names_;
    std::map<std::tuple<IpAddress, Protocol, std::uint16_t>, Place> vips_;
    std::map<IpAddress, const ServiceConfig*> vip_owners_;  // of several, the first
};

}  // namespace

void validate_services(const Reading& reading, Problems& problems) {
    ServicesValidator(reading, problems).run();
}

}  // namespace fairlead::conf
