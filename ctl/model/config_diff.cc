#include "ctl/model/config_diff.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>

#include "conf/schema/service_key.h"
#include "ctl/model/renames.h"

namespace fairlead::model {
namespace {

std::string quoted(const IpAddress& address) {
    return address.text().data();
}

bool same_statuses(const conf::HealthConfig& one, const conf::HealthConfig& other) {
    return std::equal(one.expect_status.begin(),
                      one.expect_status.end(),
                      other.expect_status.begin(),
                      other.expect_status.end(),
                      [](const conf::StatusRange& a, const conf::StatusRange& b) {
                          return a.first == b.first && a.last == b.last;
                      });
}

bool same_health(const conf::HealthConfig& one, const conf::HealthConfig& other) {
    const auto plain = [](const conf::HealthConfig& health) {
        return std::tie(health.type,
                        health.interval,
                        health.timeout,
                        health.rise,
                        health.fall,
                        health.port,
                        health.path,
                        health.host);
    };
    return plain(one) == plain(other) && same_statuses(one, other);
}

bool same_ports(const std::vector<conf::PortConfig>& one,
                const std::vector<conf::PortConfig>& other) {
    const auto same_prefix = [](const conf::PortConfig::Prefix& a,
                                const conf::PortConfig::Prefix& b) {
        return a.address == b.address && a.length == b.length;
    };
    const auto same_tunnel_prefix = [&](const auto& a, const auto& b) {
        return a.has_value() == b.has_value() && (!a || same_prefix(*a, *b));
    };
    const auto plain = [](const conf::PortConfig& port) {
        return std::tie(port.name,
                        port.interface,
                        port.vdev,
                        port.mtu,
                        port.vlan,
                        port.tunnel_sources,
                        port.mac,
                        port.gateway,
                        port.gateway_mac);
    };
    return std::equal(one.begin(),
                      one.end(),
                      other.begin(),
                      other.end(),
                      [&](const conf::PortConfig& a, const conf::PortConfig& b) {
                          return plain(a) == plain(b) &&
                                 same_tunnel_prefix(a.tunnel_source_prefix,
                                                    b.tunnel_source_prefix) &&
                                 std::equal(a.addresses.begin(),
                                            a.addresses.end(),
                                            b.addresses.begin(),
                                            b.addresses.end(),
                                            same_prefix);
                      });
}

bool same_engine(const conf::EngineConfig& one, const conf::EngineConfig& other) {
    const auto plain = [](const conf::EngineConfig& engine) {
        return std::tie(engine.cpus, engine.hugepages, engine.flows, engine.idle);
    };
    return plain(one) == plain(other);
}

// Items of two lists by name: added, removed, in both.
template <typename Item, typename Added, typename Removed, typename Both>
void walk(const std::vector<Item>& before,
          const std::vector<Item>& after,
          const Added& added,
          const Removed& removed,
          const Both& both) {
    std::map<std::string_view, const Item*> former;
    for (const Item& item : before) {
        former[item.name] = &item;
    }
    for (const Item& item : after) {
        const auto found = former.find(item.name);
        if (found == former.end()) {
            added(item);
        } else {
            both(*found->second, item);
            former.erase(found);
        }
    }
    for (const Item& item : before) {
        if (former.contains(item.name)) {
            removed(item);
        }
    }
}

class Comparison {
  public:
    explicit Comparison(ConfigDiff& diff) : diff_(diff) {}

    void services(const std::vector<conf::ServiceConfig>& before,
                  const std::vector<conf::ServiceConfig>& after) {
        const Renames renames = renames_between(before, after);
        std::vector<conf::ServiceConfig> former = before;
        for (conf::ServiceConfig& service : former) {
            if (const auto found = renames.find(service.name); found != renames.end()) {
                say("renamed service " + found->first + " to " + found->second +
                    ", which has its VIP, port and protocol: it keeps its connections");
                service.name = found->second;
            }
        }
        walk(
            former,
            after,
            [this](const conf::ServiceConfig& is) { say("added service " + is.name); },
            [this](const conf::ServiceConfig& was) { say("removed service " + was.name); },
            [this](const conf::ServiceConfig& was, const conf::ServiceConfig& is) {
                service(was, is);
            });
    }

  private:
    void service(const conf::ServiceConfig& was, const conf::ServiceConfig& is) {
        if (was.vip != is.vip || was.port != is.port || was.last_port != is.last_port ||
            was.protocol != is.protocol) {
            say("changed vip of service " + is.name);
        }
        if (was.forwarding != is.forwarding) {
            say("changed forwarding of service " + is.name);
        }
        if (conf::hash_text(was) != conf::hash_text(is)) {
            say("changed hash of service " + is.name + " from " + conf::hash_text(was) + " to " +
                conf::hash_text(is));
        }
        if (was.icmp_echo != is.icmp_echo) {
            say("changed icmp_echo of service " + is.name);
        }
        if (was.unmatched != is.unmatched) {
            say("changed unmatched of service " + is.name);
        }
        if (conf::on_down_of(was) != conf::on_down_of(is)) {
            say("changed on_down of service " + is.name);
        }
        if (was.min_healthy != is.min_healthy || was.on_min_healthy != is.on_min_healthy ||
            was.fallback != is.fallback) {
            say("changed min_healthy of service " + is.name);
        }
        compare_sources("allow", was.allow, is.allow, is.name);
        compare_sources("deny", was.deny, is.deny, is.name);
        if (was.limits != is.limits) {
            say("changed limits of service " + is.name);
        }
        if (!same_health(was.health, is.health)) {
            say("changed health check of service " + is.name);
        }
        walk(
            was.backends,
            is.backends,
            [this, &is](const conf::BackendConfig& backend) {
                say("added backend " + is.name + "/" + backend.name + " (" +
                    quoted(backend.address) + ", weight " + std::to_string(backend.weight) + ")");
            },
            [this, &is](const conf::BackendConfig& backend) {
                say("removed backend " + is.name + "/" + backend.name);
            },
            [this, &is](const conf::BackendConfig& before, const conf::BackendConfig& after) {
                backend(is.name + "/" + after.name, before, after);
            });
    }

    void compare_sources(const char* list,
                         const conf::SourceList& was,
                         const conf::SourceList& is,
                         const std::string& service) {
        const std::vector<IpPrefix> none;
        const std::vector<IpPrefix>& before = was ? *was : none;
        const std::vector<IpPrefix>& after = is ? *is : none;
        if (was == is || before == after) {
            return;
        }
        std::vector<IpPrefix> both;
        std::set_intersection(
            before.begin(), before.end(), after.begin(), after.end(), std::back_inserter(both));
        say("changed " + std::string(list) + " of service " + service + " (" +
            std::to_string(after.size() - both.size()) + " source prefixes added, " +
            std::to_string(before.size() - both.size()) + " removed)");
    }

    void backend(const std::string& name,
                 const conf::BackendConfig& was,
                 const conf::BackendConfig& is) {
        if (was.address != is.address) {
            say("changed address of backend " + name + " from " + quoted(was.address) + " to " +
                quoted(is.address));
        }
        if (was.weight != is.weight) {
            say("changed weight of backend " + name + " from " + std::to_string(was.weight) +
                " to " + std::to_string(is.weight));
        }
        if (was.mac != is.mac) {
            say("changed mac of backend " + name);
        }
    }

    void say(std::string sentence) { diff_.changes.push_back(std::move(sentence)); }

    ConfigDiff& diff_;
};

}  // namespace

ConfigDiff compare(const conf::Config& before, const conf::Config& after) {
    ConfigDiff diff;
    Comparison(diff).services(before.services, after.services);
    if (before.node.name != after.node.name) {
        diff.changes.push_back("changed name of the node to " + after.node.name);
    }
    if (before.node.mass_failure_hold != after.node.mass_failure_hold) {
        diff.changes.emplace_back("changed mass_failure_hold of the node");
    }
    if (before.node.seed_file != after.node.seed_file) {
        diff.needs_restart.push_back({"[node] seed_file has changed: restart lbd to apply it"});
    }
    if (!same_engine(before.engine, after.engine)) {
        diff.needs_restart.push_back({"[engine] has changed: restart lbdp to apply it", true});
    }
    if (!same_ports(before.ports, after.ports)) {
        diff.needs_restart.push_back({"[[port]] has changed: restart lbd and lbdp to apply it"});
    }
    if (before.api.socket != after.api.socket || before.api.listen != after.api.listen) {
        diff.needs_restart.push_back({"[api] has changed: restart lbd to apply it"});
    }
    return diff;
}

conf::Config without_restart_keys(conf::Config after, const conf::Config& running) {
    after.node.seed_file = running.node.seed_file;
    after.ports = running.ports;
    after.api = running.api;
    return after;
}

}  // namespace fairlead::model
