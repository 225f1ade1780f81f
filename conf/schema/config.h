// The configuration as the programs use it, after parsing, validation and defaults.
//
// Plain values, owned by whoever holds the Config; nothing here refers to the file's text. The
// names are the file's keys; what each key means is said where the key is defined
// (conf/schema/keys.cc) and in conf/fairlead.toml.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dp/net/ip_address.h"
#include "dp/net/ip_prefix.h"
#include "dp/net/mac_address.h"

namespace fairlead::conf {

enum class Protocol : std::uint8_t {
    kTcp,
    kUdp
};
enum class Forwarding : std::uint8_t {
    kL2,
    kIpip,
    kGue,
    kGre
};
// As the file, the API, the metrics and the pages spell it, in the order of the enumeration.
inline constexpr std::array<std::string_view, 4> kForwardingWords{"l2", "ipip", "gue", "gre"};
[[nodiscard]] constexpr std::string_view to_text(Forwarding forwarding) noexcept {
    return kForwardingWords[static_cast<std::size_t>(forwarding)];
}
enum class Hash : std::uint8_t {
    k5Tuple,
    kSource
};
enum class IcmpEcho : std::uint8_t {
    kWhenUp,
    kAlways,
    kNever
};
enum class Unmatched : std::uint8_t {
    kDrop,
    kReject
};
enum class OnDown : std::uint8_t {
    kKeep,
    kMove
};
enum class OnMinHealthy : std::uint8_t {
    kFailClose,
    kFailOpen,
    kFallback
};
// As the file and the API spell it, in the order of the enumeration.
inline constexpr std::array<std::string_view, 3> kOnMinHealthyWords{
    "fail-close", "fail-open", "fallback"};
[[nodiscard]] constexpr std::string_view to_text(OnMinHealthy on_min_healthy) noexcept {
    return kOnMinHealthyWords[static_cast<std::size_t>(on_min_healthy)];
}
enum class HugePages : std::uint8_t {
    kAuto,
    kRequired,
    kNone
};
enum class IdleMode : std::uint8_t {
    kSpin,
    kYield
};
enum class CheckType : std::uint8_t {
    kNone,
    kTcp,
    kHttp
};

struct StatusRange {
    std::uint16_t first = 200;
    std::uint16_t last = 299;
};

struct HealthConfig {
    CheckType type = CheckType::kTcp;
    std::chrono::milliseconds interval{1000};
    std::chrono::milliseconds timeout{500};
    std::uint32_t rise = 2;
    std::uint32_t fall = 3;
    std::optional<std::uint16_t> port;                      // default: the VIP's (first)
    std::string path = "/";                                 // http
    std::string host;                                       // http; default: the backend's address
    std::vector<StatusRange> expect_status{StatusRange{}};  // http
};

struct BackendConfig {
    std::string name;
    IpAddress address;
    std::uint32_t weight = 1;       // 0..256; 0 gets no new flows
    std::optional<MacAddress> mac;  // a fixed neighbor, where none can be learned
};

// Ascending, each prefix once. A list may have a hundred thousand, so it is shared and never
// changed: services with equal lists have the same one. nullptr: empty.
using SourceList = std::shared_ptr<const std::vector<IpPrefix>>;

struct LimitsConfig {
    std::uint32_t packets = 0;               // a second; 0: any number
    std::uint32_t new_flows_per_source = 0;  // a second; 0: any number
    friend bool operator==(const LimitsConfig&, const LimitsConfig&) = default;
};

// How many of a service's backends have to be healthy: a number of them, or a percentage.
struct MinHealthy {
    std::uint32_t count = 0;
    std::uint32_t percent = 0;  // at most one of the two is not 0; with neither there is no least
    friend bool operator==(const MinHealthy&, const MinHealthy&) = default;
    [[nodiscard]] constexpr bool is_set() const noexcept { return count != 0 || percent != 0; }
    // Of so many; a percentage of them is rounded up.
    [[nodiscard]] constexpr std::size_t least_of(std::size_t total) const noexcept {
        constexpr std::size_t kWhole = 100;
        return percent == 0 ? count : (total * percent + kWhole - 1) / kWhole;
    }
};

// Who serves beside the healthy ones where there are too few. The ports are written only so that
// nobody expects them to be changed: they must be the VIP's, as packets are not rewritten.
struct Fallback {
    IpAddress address;
    std::uint16_t port = 0;  // this and the next as in ServiceConfig
    std::uint16_t last_port = 0;
    friend bool operator==(const Fallback&, const Fallback&) = default;
};
// What it is called among the backends.
inline constexpr std::string_view kFallbackName = "fallback";

struct ServiceConfig {
    std::string name;
    IpAddress vip;
    std::uint16_t port = 0;       // 0: any (service_key.h)
    std::uint16_t last_port = 0;  // of a range, where `port` is the first; 0: of no range
    Protocol protocol = Protocol::kTcp;
    Forwarding forwarding = Forwarding::kL2;
    Hash hash = Hash::k5Tuple;
    std::optional<std::uint8_t> source_prefix;  // bits; default: source_prefix_bits()
    IcmpEcho icmp_echo = IcmpEcho::kWhenUp;
    Unmatched unmatched = Unmatched::kDrop;
    std::optional<OnDown> on_down;  // default: on_down_of()
    MinHealthy min_healthy;
    OnMinHealthy on_min_healthy = OnMinHealthy::kFailClose;  // below min_healthy
    std::optional<Fallback> fallback;                        // with kFallback, and only then
    SourceList allow;  // source prefixes; with any, others are denied
    SourceList deny;
    LimitsConfig limits;
    HealthConfig health;
    std::vector<BackendConfig> backends;
};

// What becomes of the flows of a backend that checks took out.
[[nodiscard]] inline OnDown on_down_of(const ServiceConfig& service) noexcept {
    return service.on_down.value_or(service.protocol == Protocol::kUdp ? OnDown::kMove
                                                                       : OnDown::kKeep);
}

// What stands behind a port: a kernel interface by AF_XDP, or a DPDK virtual device.
struct PortConfig {
    std::string name;
    std::string interface;  // exactly one of interface and vdev is set
    std::string vdev;
    std::uint32_t mtu = 0;   // bytes of IP packet; 0: the interface's, or 1500
    std::uint16_t vlan = 0;  // 1..4094; 0: untagged
    struct Prefix {
        IpAddress address;
        std::uint8_t length = 0;  // bits, of the address's own family
    };
    std::vector<IpAddress> tunnel_sources;  // at most one a family; default: the kernel's choice
    std::optional<Prefix> tunnel_source_prefix;  // an outer source for each flow, where it is set
    // What the kernel tells of an interface and cannot tell of a vdev:
    std::optional<MacAddress> mac;
    std::vector<Prefix> addresses;  // key "address"
    std::optional<IpAddress> gateway;
    std::optional<MacAddress> gateway_mac;
};

struct EngineConfig {
    std::vector<std::uint32_t> cpus;  // one pinned worker each, in this order
    HugePages hugepages = HugePages::kAuto;
    std::uint64_t flows = 1U << 20U;  // tracked flows, all workers together
    IdleMode idle = IdleMode::kSpin;
};

struct NodeConfig {
    std::string name;  // default: the host's name
    std::string seed_file = "/etc/fairlead/seed";
    std::chrono::milliseconds mass_failure_hold{10'000};  // 0: none
};

struct ApiConfig {
    std::string socket;  // default: RUN_DIR/lbd.sock
    std::string listen;  // "ADDRESS:PORT"; empty: no TCP listener
};

struct Config {
    NodeConfig node;
    EngineConfig engine;
    std::vector<PortConfig> ports;
    ApiConfig api;
    std::vector<ServiceConfig> services;
};

}  // namespace fairlead::conf
