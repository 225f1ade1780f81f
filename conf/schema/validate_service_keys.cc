#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "conf/schema/service_key.h"
#include "conf/schema/validate.h"

namespace fairlead::conf {

namespace {

class ServiceKeysValidator {
  public:
    ServiceKeysValidator(const Reading& reading, Problems& problems)
        : reading_(reading), problems_(problems) {}

    void run() {
        const std::vector<ServiceConfig>& services = reading_.config.services;
        const std::vector<Node>& nodes = Reading::elements(*reading_.root, "service");
        for (std::size_t i = 0; i < services.size(); ++i) {
            if (nodes[i].kind != NodeKind::kTable) {
                continue;
            }
            check_source_prefix(services[i], nodes[i]);
            check_on_min_healthy(services[i], nodes[i]);
            check_fallback(services[i], nodes[i]);
            if (reading_.accepted(nodes[i], "vip") != nullptr &&
                !is_refused(nodes[i], "protocol")) {
                check_check_port(services[i], nodes[i]);
                if (scope_of(services[i]) != PortScope::kOne) {
                    wide_.push_back({&services[i], &nodes[i]});
                }
            }
        }
        check_overlaps();
    }

  private:
    struct Wide {
        const ServiceConfig* service;
        const Node* node;
    };

    [[nodiscard]] bool is_refused(const Node& table, std::string_view key) const {
        return table.find(key) != nullptr && reading_.accepted(table, key) == nullptr;
    }

    void check_source_prefix(const ServiceConfig& service, const Node& node) {
        const Entry* const prefix = reading_.accepted(node, "source_prefix");
        if (prefix == nullptr || is_refused(node, "hash")) {
            return;
        }
        constexpr std::uint8_t kLongestV4 = 32;
        if (service.hash != Hash::kSource) {
            problems_.add(
                prefix->value.place,
                "\"source_prefix\" goes with hash = \"source\": with \"5tuple\" the whole "
                "address counts");
        } else if (reading_.accepted(node, "vip") != nullptr && service.vip.is_v4() &&
                   *service.source_prefix > kLongestV4) {
            problems_.add(
                prefix->value.place,
                fmt::format("\"source_prefix\" must be from 1 to {} for an IPv4 VIP, not {}",
                            kLongestV4,
                            *service.source_prefix));
        }
    }

    void check_on_min_healthy(const ServiceConfig& service, const Node& node) {
        if (service.on_min_healthy == OnMinHealthy::kFallback && node.find("fallback") == nullptr) {
            problems_.add(Reading::place_of(node, "on_min_healthy"),
                          fmt::format("on_min_healthy = \"fallback\" needs in service {} a server "
                                      "that serves then, such as fallback = \"192.0.2.9:443\"",
                                      quoted(service.name)));
        }
    }

    void check_fallback(const ServiceConfig& service, const Node& node) {
        const Entry* const entry = reading_.accepted(node, "fallback");
        if (entry == nullptr || is_refused(node, "on_min_healthy") ||
            is_refused(node, "min_healthy")) {
            return;
        }
        const auto refuse = [&](const std::string& why) {
            problems_.add(entry->value.place, why);
        };
        if (service.on_min_healthy != OnMinHealthy::kFallback || !service.min_healthy.is_set()) {
            refuse(
                "\"fallback\" goes with a \"min_healthy\" and on_min_healthy = \"fallback\": it "
                "would never serve");
        }
        const IpAddress& address = service.fallback->address;
        const std::string text = address.text().data();
        if (const std::string_view reason = why_not_a_host(address); !reason.empty()) {
            refuse(fmt::format("{} is {}: it cannot be a fallback's address", text, reason));
        }
        for (const BackendConfig& backend : service.backends) {
            if (backend.address == address) {
                refuse(
                    fmt::format("{} is backend {} of this service already: the fallback is "
                                "another server",
                                text,
                                quoted(backend.name)));
            } else if (backend.name == kFallbackName) {
                refuse(
                    "\"fallback\" is also a backend's name in this service: in commands and "
                    "metrics the fallback has it, so call the backend otherwise");
            }
        }
        if (reading_.accepted(node, "vip") != nullptr && !is_refused(node, "forwarding")) {
            check_fallback_for_vip(service, *entry);
        }
    }

    void check_fallback_for_vip(const ServiceConfig& service, const Entry& entry) {
        const Fallback& fallback = *service.fallback;
        if (fallback.port != service.port || fallback.last_port != service.last_port) {
            ServiceConfig meant = service;
            meant.vip = fallback.address;
            problems_.add(
                entry.value.place,
                fmt::format("the fallback gets packets at the VIP's port, as they are not "
                            "rewritten: write {}",
                            quoted(vip_text(meant))));
        }
        if (fallback.address == service.vip) {
            problems_.add(entry.value.place,
                          "the fallback is the VIP itself: give the server's own address");
        } else if (service.forwarding == Forwarding::kL2 &&
                   fallback.address.is_v4() != service.vip.is_v4()) {
            problems_.add(entry.value.place,
                          "with forwarding = \"l2\" the fallback must be of the VIP's family, as "
                          "packets are sent on as they came; a tunnel can change it (\"ipip\", "
                          "\"gue\", \"gre\")");
        }
    }

    // Of any port there is none that a check could ask. (That a udp service's port cannot be asked
    // is said elsewhere.)
    void check_check_port(const ServiceConfig& service, const Node& node) {
        const Node* const own = Reading::health_of(node);
        const Entry* const defaults = reading_.root->find("defaults");
        const Entry* const shared = defaults == nullptr ? nullptr : defaults->value.find("health");
        for (const std::string_view key : {"type", "port"}) {
            if ((own != nullptr && is_refused(*own, key)) ||
                (shared != nullptr && is_refused(shared->value, key))) {
                return;
            }
        }
        const HealthConfig& health = service.health;
        if (scope_of(service) == PortScope::kAny && service.protocol == Protocol::kTcp &&
            health.type != CheckType::kNone && !health.port) {
            problems_.add(
                Reading::place_of(own == nullptr ? node : *own, "type"),
                fmt::format(
                    "a {} check of a service of any port needs a \"port\" to ask, or type = "
                    "\"none\", in [[service.health]]",
                    health.type == CheckType::kTcp ? "tcp" : "http"));
        }
    }

    // In the order of the first ports, one that overlaps any before it overlaps the one of these
    // that reaches furthest.
    void check_overlaps() {
        std::stable_sort(wide_.begin(), wide_.end(), [](const Wide& a, const Wide& b) {
            return std::tie(a.service->vip, a.service->protocol, a.service->port) <
                   std::tie(b.service->vip, b.service->protocol, b.service->port);
        });
        std::size_t furthest = 0;
        for (std::size_t i = 1; i < wide_.size(); ++i) {
            const Wide& a = wide_[furthest];
            const Wide& b = wide_[i];
            if (scope_of(*a.service) == scope_of(*b.service) &&
                share_a_port(*a.service, *b.service)) {
                const bool in_order =
                    Reading::place_of(*a.node, "vip") < Reading::place_of(*b.node, "vip");
                report(in_order ? a : b, in_order ? b : a);
            }
            const bool goes_on =
                share_a_port(*a.service, *b.service) && a.service->last_port > b.service->last_port;
            furthest = goes_on ? furthest : i;
        }
    }

    void report(const Wide& first, const Wide& second) {
        problems_.add(
            Reading::place_of(*second.node, "vip"),
            fmt::format("service {} takes {} ports of {}, and so does service {} ({}), at line {}",
                        quoted(second.service->name),
                        second.service->protocol == Protocol::kTcp ? "tcp" : "udp",
                        vip_text(*second.service),
                        quoted(first.service->name),
                        vip_text(*first.service),
                        Reading::place_of(*first.node, "vip").line));
    }

    const Reading& reading_;
    Problems& problems_;
    std::vector<Wide> wide_;
};

}  // namespace

void validate_service_keys(const Reading& reading, Problems& problems) {
    ServiceKeysValidator(reading, problems).run();
}

}  // namespace fairlead::conf
