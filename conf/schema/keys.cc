#include "conf/schema/keys.h"

#include <array>

namespace fairlead::conf {

namespace {

using std::chrono::milliseconds;

// In the order of the enumerations of config.h.
constexpr std::array<std::string_view, 3> kHugePageWords{"auto", "required", "none"};
constexpr std::array<std::string_view, 2> kIdleWords{"spin", "yield"};
constexpr std::array<std::string_view, 2> kProtocolWords{"tcp", "udp"};
constexpr std::array<std::string_view, 2> kHashWords{"5tuple", "source"};
constexpr std::array<std::string_view, 3> kIcmpEchoWords{"when-up", "always", "never"};
constexpr std::array<std::string_view, 2> kUnmatchedWords{"drop", "reject"};
constexpr std::array<std::string_view, 2> kOnDownWords{"keep", "move"};
constexpr std::array<std::string_view, 3> kCheckWords{"none", "tcp", "http"};

constexpr std::uint64_t kHourMs = 3'600'000;

// The table gives each key the kind that its store function takes, so the alternative is there.
template <typename T>
[[nodiscard]] const T& as(const Value& value) {
    return *std::get_if<T>(&value);
}

[[nodiscard]] std::uint32_t as_u32(const Value& value) {
    return static_cast<std::uint32_t>(as<std::uint64_t>(value));
}

template <typename Enum>
[[nodiscard]] Enum as_choice(const Value& value) {
    return static_cast<Enum>(as<std::uint64_t>(value));
}

constexpr std::array kNodeKeys{
    Key<NodeConfig>{{.name = "name",
                     .kind = ValueKind::kName,
                     .help = "What this balancer is called in logs, metrics and status; by default "
                             "the host's name."},
                    [](NodeConfig& node, const Value& value) {
                        node.name = as<std::string>(value);
                    }},
    Key<NodeConfig>{{.name = "seed_file",
                     .kind = ValueKind::kFilePath,
                     .default_text = "/etc/fairlead/seed",
                     .min = 1,
                     .max = 4095,
                     .help = "The seed of the flow hash, the same file on every balancer of a "
                             "fleet; made on first start if missing."},
                    [](NodeConfig& node, const Value& value) {
                        node.seed_file = as<std::string>(value);
                    }},
    Key<NodeConfig>{{.name = "mass_failure_hold",
                     .kind = ValueKind::kDuration,
                     .default_text = "10s",
                     .min = 0,
                     .max = kHourMs,
                     .help = "When most backends of all services fail their checks at once, no "
                             "check takes a backend out for so long; \"0s\": never held."},
                    [](NodeConfig& node, const Value& value) {
                        node.mass_failure_hold = as<milliseconds>(value);
                    }},
};

constexpr std::array kEngineKeys{
    Key<EngineConfig>{{.name = "cpus",
                       .kind = ValueKind::kCpuList,
                       .max = 1023,
                       .is_required = true,
                       .help = "The CPUs that forward packets: one pinned worker, and one queue of "
                               "every port, for each."},
                      [](EngineConfig& engine, const Value& value) {
                          engine.cpus = as<std::vector<std::uint32_t>>(value);
                      }},
    Key<EngineConfig>{{.name = "hugepages",
                       .kind = ValueKind::kChoice,
                       .default_text = "auto",
                       .choices = kHugePageWords,
                       .help = "Whether packet memory and flow tables stand on huge pages: "
                               "\"auto\" uses them if there are any."},
                      [](EngineConfig& engine, const Value& value) {
                          engine.hugepages = as_choice<HugePages>(value);
                      }},
    Key<EngineConfig>{
        {.name = "flows",
         .kind = ValueKind::kSize,
         .default_text = "1M",
         .min = 1,
         .max = 1U << 30U,
         .help =
             "How many flows are tracked, all workers together; k, M and G are powers of 1024."},
        [](EngineConfig& engine, const Value& value) {
            engine.flows = as<std::uint64_t>(value);
        }},
    Key<EngineConfig>{{.name = "idle",
                       .kind = ValueKind::kChoice,
                       .default_text = "spin",
                       .choices = kIdleWords,
                       .help = "What a worker does when there is no packet: \"yield\" lets other "
                               "programs have its CPU, at the cost of latency."},
                      [](EngineConfig& engine, const Value& value) {
                          engine.idle = as_choice<IdleMode>(value);
                      }},
};

constexpr std::array kPortKeys{
    Key<PortConfig>{{.name = "name",
                     .kind = ValueKind::kName,
                     .is_required = true,
                     .help = "What this port is called in logs, metrics and status."},
                    [](PortConfig& port, const Value& value) {
                        port.name = as<std::string>(value);
                    }},
    Key<PortConfig>{{.name = "interface",
                     .kind = ValueKind::kToken,
                     .min = 1,
                     .max = 127,
                     .help = "The kernel interface behind this port, by its name or an "
                             "alternative one, driven by AF_XDP; it keeps all traffic that is not "
                             "for a VIP."},
                    [](PortConfig& port, const Value& value) {
                        port.interface = as<std::string>(value);
                    }},
    Key<PortConfig>{{.name = "vdev",
                     .kind = ValueKind::kToken,
                     .min = 1,
                     .max = 4095,
                     .help = "A DPDK virtual device instead of an interface, with its arguments."},
                    [](PortConfig& port, const Value& value) {
                        port.vdev = as<std::string>(value);
                    }},
    Key<PortConfig>{{.name = "mtu",
                     .kind = ValueKind::kInteger,
                     .min = 576,
                     .max = 9216,
                     .help = "Bytes of IP packet that this port sends at most; by default the "
                             "interface's, or 1500 for a vdev."},
                    [](PortConfig& port, const Value& value) {
                        port.mtu = as_u32(value);
                    }},
    Key<PortConfig>{{.name = "vlan",
                     .kind = ValueKind::kInteger,
                     .min = 1,
                     .max = 4094,
                     .help = "The VLAN of this port's VIP traffic: what comes with this tag is "
                             "forwarded, and what leaves has it; by default both are untagged."},
                    [](PortConfig& port, const Value& value) {
                        port.vlan = static_cast<std::uint16_t>(as_u32(value));
                    }},
    Key<PortConfig>{{.name = "tunnel_source",
                     .kind = ValueKind::kAddresses,
                     .min = 1,
                     .max = 2,
                     .help = "The outer source address of tunnelled packets, one a family; by "
                             "default what the kernel would send from to the backends, or the "
                             "vdev port's first address."},
                    [](PortConfig& port, const Value& value) {
                        port.tunnel_sources = as<std::vector<IpAddress>>(value);
                    }},
    Key<PortConfig>{{.name = "tunnel_source_prefix",
                     .kind = ValueKind::kPrefix,
                     .help = "Outer source addresses of tunnelled packets, one a flow, so that the "
                             "backends' receive queues share the load: a prefix that is routed to "
                             "this balancer and whose addresses nobody else has."},
                    [](PortConfig& port, const Value& value) {
                        port.tunnel_source_prefix = as<PortConfig::Prefix>(value);
                    }},
    Key<PortConfig>{
        {.name = "mac", .kind = ValueKind::kMac, .help = "The Ethernet address of a vdev port."},
        [](PortConfig& port, const Value& value) {
            port.mac = as<MacAddress>(value);
        }},
    Key<PortConfig>{{.name = "address",
                     .kind = ValueKind::kPrefixes,
                     .min = 1,
                     .max = 64,
                     .help = "The addresses of a vdev port, each with the length of the prefix "
                             "that is on its segment."},
                    [](PortConfig& port, const Value& value) {
                        port.addresses = as<std::vector<PortConfig::Prefix>>(value);
                    }},
    Key<PortConfig>{{.name = "gateway",
                     .kind = ValueKind::kAddress,
                     .help = "Where a vdev port sends what is not on its segment."},
                    [](PortConfig& port, const Value& value) {
                        port.gateway = as<IpAddress>(value);
                    }},
    Key<PortConfig>{{.name = "gateway_mac",
                     .kind = ValueKind::kMac,
                     .help = "The Ethernet address of that gateway."},
                    [](PortConfig& port, const Value& value) {
                        port.gateway_mac = as<MacAddress>(value);
                    }},
};

constexpr std::array kApiKeys{
    Key<ApiConfig>{{.name = "socket",
                    .kind = ValueKind::kFilePath,
                    .min = 1,
                    .max = 107,
                    .help = "The Unix socket on which lbctl talks to lbd; by default lbd.sock in "
                            "the run directory."},
                   [](ApiConfig& api, const Value& value) {
                       api.socket = as<std::string>(value);
                   }},
    Key<ApiConfig>{
        {.name = "listen",
         .kind = ValueKind::kEndpoint,
         .help =
             "Where metrics and status are served over TCP, read-only; without it they are not."},
        [](ApiConfig& api, const Value& value) {
            const auto& endpoint = as<Endpoint>(value);
            const std::string address = endpoint.address.text().data();
            api.listen = (endpoint.address.is_v4() ? address : "[" + address + "]") + ":" +
                         std::to_string(endpoint.port);
        }},
};

constexpr std::array kHealthKeys{
    Key<HealthConfig>{{.name = "type",
                       .kind = ValueKind::kChoice,
                       .default_text = "tcp",
                       .choices = kCheckWords,
                       .help = "How a backend is checked: a connection opens (\"tcp\"), a request "
                               "is answered as expected (\"http\"), or not at all."},
                      [](HealthConfig& health, const Value& value) {
                          health.type = as_choice<CheckType>(value);
                      }},
    Key<HealthConfig>{{.name = "interval",
                       .kind = ValueKind::kDuration,
                       .default_text = "1s",
                       .min = 10,
                       .max = kHourMs,
                       .help = "From the start of one check to the start of the next."},
                      [](HealthConfig& health, const Value& value) {
                          health.interval = as<milliseconds>(value);
                      }},
    Key<HealthConfig>{
        {.name = "timeout",
         .kind = ValueKind::kDuration,
         .default_text = "500ms",
         .min = 1,
         .max = kHourMs,
         .help = "A check that has no answer by then has failed; not longer than the interval."},
        [](HealthConfig& health, const Value& value) {
            health.timeout = as<milliseconds>(value);
        }},
    Key<HealthConfig>{{.name = "rise",
                       .kind = ValueKind::kInteger,
                       .default_text = "2",
                       .min = 1,
                       .max = 1000,
                       .help = "A backend that was down is up after so many good checks in a row."},
                      [](HealthConfig& health, const Value& value) {
                          health.rise = as_u32(value);
                      }},
    Key<HealthConfig>{
        {.name = "fall",
         .kind = ValueKind::kInteger,
         .default_text = "3",
         .min = 1,
         .max = 1000,
         .help = "A backend that was up is down after so many failed checks in a row."},
        [](HealthConfig& health, const Value& value) {
            health.fall = as_u32(value);
        }},
    Key<HealthConfig>{{.name = "port",
                       .kind = ValueKind::kInteger,
                       .min = 1,
                       .max = 65535,
                       .help = "The backend's port that is checked; by default the VIP's, or the "
                               "first of its range."},
                      [](HealthConfig& health, const Value& value) {
                          health.port = static_cast<std::uint16_t>(as_u32(value));
                      }},
    Key<HealthConfig>{{.name = "path",
                       .kind = ValueKind::kUrlPath,
                       .default_text = "/",
                       .min = 1,
                       .max = 1024,
                       .help = "What an http check asks for."},
                      [](HealthConfig& health, const Value& value) {
                          health.path = as<std::string>(value);
                      }},
    Key<HealthConfig>{
        {.name = "host",
         .kind = ValueKind::kToken,
         .min = 1,
         .max = 255,
         .help = "The Host header of an http check; by default the backend's address."},
        [](HealthConfig& health, const Value& value) {
            health.host = as<std::string>(value);
        }},
    Key<HealthConfig>{{.name = "expect_status",
                       .kind = ValueKind::kStatusRanges,
                       .default_text = "200-299",
                       .min = 1,
                       .max = 32,
                       .help = "The status codes that an http check takes for good."},
                      [](HealthConfig& health, const Value& value) {
                          health.expect_status = as<std::vector<StatusRange>>(value);
                      }},
};

constexpr std::array kServiceKeys{
    Key<ServiceConfig>{{.name = "name",
                        .kind = ValueKind::kName,
                        .is_required = true,
                        .help = "What this service is called in commands, logs and metrics."},
                       [](ServiceConfig& service, const Value& value) {
                           service.name = as<std::string>(value);
                       }},
    Key<ServiceConfig>{{.name = "vip",
                        .kind = ValueKind::kVip,
                        .is_required = true,
                        .help = "The address and port that clients connect to, a range of ports, "
                                "or \"any\". Of services that share a VIP, the one of the exact "
                                "port comes first, then that of a range, then that of any port."},
                       [](ServiceConfig& service, const Value& value) {
                           const auto& vip = as<VipEndpoint>(value);
                           service.vip = vip.address;
                           service.port = vip.port;
                           service.last_port = vip.last_port;
                       }},
    Key<ServiceConfig>{{.name = "protocol",
                        .kind = ValueKind::kChoice,
                        .default_text = "tcp",
                        .choices = kProtocolWords,
                        .help = "What clients speak to the VIP: \"tcp\" or \"udp\"."},
                       [](ServiceConfig& service, const Value& value) {
                           service.protocol = as_choice<Protocol>(value);
                       }},
    Key<ServiceConfig>{{.name = "forwarding",
                        .kind = ValueKind::kChoice,
                        .default_text = "l2",
                        .choices = kForwardingWords,
                        .help = "How packets reach a backend: by its Ethernet address on the same "
                                "segment (\"l2\"), or tunnelled in IP (\"ipip\"), in UDP "
                                "(\"gue\") or by GRE (\"gre\")."},
                       [](ServiceConfig& service, const Value& value) {
                           service.forwarding = as_choice<Forwarding>(value);
                       }},
    Key<ServiceConfig>{{.name = "hash",
                        .kind = ValueKind::kChoice,
                        .default_text = "5tuple",
                        .choices = kHashWords,
                        .help = "What chooses a new flow's backend: addresses, ports and protocol "
                                "(\"5tuple\"), or the client's address alone (\"source\"), so that "
                                "all its connections go to one backend while the set of backends "
                                "and weights stays."},
                       [](ServiceConfig& service, const Value& value) {
                           service.hash = as_choice<Hash>(value);
                       }},
    Key<ServiceConfig>{{.name = "source_prefix",
                        .kind = ValueKind::kInteger,
                        .min = 1,
                        .max = 128,
                        .help = "With hash = \"source\": so many bits of the client's address "
                                "count, so clients of one prefix share a backend; by default 32 "
                                "for an IPv4 VIP, 64 for an IPv6 one."},
                       [](ServiceConfig& service, const Value& value) {
                           service.source_prefix = static_cast<std::uint8_t>(as_u32(value));
                       }},
    Key<ServiceConfig>{{.name = "icmp_echo",
                        .kind = ValueKind::kChoice,
                        .default_text = "when-up",
                        .choices = kIcmpEchoWords,
                        .help = "Whether pings of the VIP are answered: while this service takes "
                                "new flows (\"when-up\"), \"always\" or \"never\". Where services "
                                "share a VIP, it answers if one of them would."},
                       [](ServiceConfig& service, const Value& value) {
                           service.icmp_echo = as_choice<IcmpEcho>(value);
                       }},
    Key<ServiceConfig>{{.name = "unmatched",
                        .kind = ValueKind::kChoice,
                        .default_text = "drop",
                        .choices = kUnmatchedWords,
                        .help = "What a packet to a port of the VIP without a service gets: "
                                "nothing (\"drop\"), or a TCP reset or ICMP port unreachable "
                                "(\"reject\"). Where services share a VIP, one that says "
                                "\"reject\" is enough."},
                       [](ServiceConfig& service, const Value& value) {
                           service.unmatched = as_choice<Unmatched>(value);
                       }},
    Key<ServiceConfig>{{.name = "on_down",
                        .kind = ValueKind::kChoice,
                        .choices = kOnDownWords,
                        .help = "What becomes of the flows of a backend that checks took out, "
                                "or whose address has not answered for two minutes, while "
                                "another one serves: they stay (\"keep\", the default for "
                                "tcp), or go to the others (\"move\", the default for udp)."},
                       [](ServiceConfig& service, const Value& value) {
                           service.on_down = as_choice<OnDown>(value);
                       }},
    Key<ServiceConfig>{{.name = "allow",
                        .kind = ValueKind::kSources,
                        .max = kMaxPrefixes,
                        .help = "Source prefixes that are served; with any, all others are "
                                "denied, but where \"deny\" and \"allow\" both match, the longer "
                                "prefix decides."},
                       [](ServiceConfig& service, const Value& value) {
                           service.allow = as<SourceList>(value);
                       }},
    Key<ServiceConfig>{{.name = "deny",
                        .kind = ValueKind::kSources,
                        .max = kMaxPrefixes,
                        .help = "Source prefixes whose packets are dropped, also those of "
                                "connections that are there already."},
                       [](ServiceConfig& service, const Value& value) {
                           service.deny = as<SourceList>(value);
                       }},
    // These two stand in [defaults] as well: defaults_keys().
    Key<ServiceConfig>{{.name = "min_healthy",
                        .kind = ValueKind::kMinHealthy,
                        .max = kMaxBackendsOfService,
                        .help = "How many of the backends that are ready and have a weight must "
                                "be healthy, as a number or a percentage; 0, the default: any "
                                "number will do."},
                       [](ServiceConfig& service, const Value& value) {
                           service.min_healthy = as<MinHealthy>(value);
                       }},
    Key<ServiceConfig>{{.name = "on_min_healthy",
                        .kind = ValueKind::kChoice,
                        .choices = kOnMinHealthyWords,
                        .help = "With fewer than min_healthy: the healthy ones serve "
                                "(\"fail-close\", the default), or all that are ready do, whatever "
                                "their checks say (\"fail-open\"), or the fallback takes the share "
                                "of those that are not healthy (\"fallback\")."},
                       [](ServiceConfig& service, const Value& value) {
                           service.on_min_healthy = as_choice<OnMinHealthy>(value);
                       }},
    Key<ServiceConfig>{{.name = "fallback",
                        .kind = ValueKind::kVip,
                        .help = "With on_min_healthy = \"fallback\": the server that serves below "
                                "min_healthy, and is not checked, with the VIP's port."},
                       [](ServiceConfig& service, const Value& value) {
                           const auto& fallback = as<VipEndpoint>(value);
                           service.fallback = {fallback.address, fallback.port, fallback.last_port};
                       }},
};

constexpr std::array kBackendKeys{
    Key<BackendConfig>{{.name = "name",
                        .kind = ValueKind::kName,
                        .is_required = true,
                        .help = "What this backend is called; Maglev places it by this name, so "
                                "keep it when the address changes."},
                       [](BackendConfig& backend, const Value& value) {
                           backend.name = as<std::string>(value);
                       }},
    Key<BackendConfig>{
        {.name = "address",
         .kind = ValueKind::kAddress,
         .is_required = true,
         .help = "The server's own address, of the VIP's family; the port is the packet's."},
        [](BackendConfig& backend, const Value& value) {
            backend.address = as<IpAddress>(value);
        }},
    Key<BackendConfig>{{.name = "weight",
                        .kind = ValueKind::kInteger,
                        .default_text = "1",
                        .min = 0,
                        .max = 256,
                        .help = "Its share of new flows beside the others' weights; 0 gets none."},
                       [](BackendConfig& backend, const Value& value) {
                           backend.weight = as_u32(value);
                       }},
    Key<BackendConfig>{{.name = "mac",
                        .kind = ValueKind::kMac,
                        .help = "A fixed Ethernet address, where none can be learned."},
                       [](BackendConfig& backend, const Value& value) {
                           backend.mac = as<MacAddress>(value);
                       }},
};

}  // namespace

std::span<const Key<NodeConfig>> node_keys() {
    return kNodeKeys;
}
std::span<const Key<EngineConfig>> engine_keys() {
    return kEngineKeys;
}
std::span<const Key<PortConfig>> port_keys() {
    return kPortKeys;
}
std::span<const Key<ApiConfig>> api_keys() {
    return kApiKeys;
}
std::span<const Key<HealthConfig>> health_keys() {
    return kHealthKeys;
}
std::span<const Key<ServiceConfig>> service_keys() {
    return kServiceKeys;
}
std::span<const Key<ServiceConfig>> defaults_keys() {
    return service_keys().last(3).first(2);  // all but the fallback
}
std::span<const Key<BackendConfig>> backend_keys() {
    return kBackendKeys;
}

}  // namespace fairlead::conf
