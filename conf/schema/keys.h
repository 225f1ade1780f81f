// The table of every key: what it is called, what it may hold, its default and what it means.
//
// This one table drives the parser, the defaults and the documentation. A key that is not in it is
// refused.
#pragma once

#include <span>

#include "conf/schema/config.h"
#include "conf/schema/values.h"

namespace fairlead::conf {

// What `lbd` and the segments can hold.
inline constexpr std::size_t kMaxServices = 4096;
inline constexpr std::size_t kMaxBackends = 16384;
inline constexpr std::size_t kMaxBackendsOfService = 4096;
inline constexpr std::size_t kMaxPorts = 16;
// Of `allow` and `deny` of all services; equal lists count once.
inline constexpr std::size_t kMaxPrefixes = 262'144;
inline constexpr std::uint64_t kMaxPacketsPerSecond = 1'000'000'000;
inline constexpr std::uint64_t kMaxNewFlowsPerSecond = 1'000'000;
inline constexpr std::size_t kMaxWorkers = 64;

// A key of the table that becomes a `Target`, and how its value gets in there.
template <typename Target>
struct Key {
    KeyInfo info;
    void (*store)(Target&, const Value&);
};

[[nodiscard]] std::span<const Key<NodeConfig>> node_keys();
[[nodiscard]] std::span<const Key<EngineConfig>> engine_keys();
[[nodiscard]] std::span<const Key<PortConfig>> port_keys();
[[nodiscard]] std::span<const Key<ApiConfig>> api_keys();
[[nodiscard]] std::span<const Key<HealthConfig>>
health_keys();  // [defaults.health], [[service.health]]
[[nodiscard]] std::span<const Key<ServiceConfig>> service_keys();
[[nodiscard]] std::span<const Key<ServiceConfig>> defaults_keys();  // those of [defaults] itself
[[nodiscard]] std::span<const Key<LimitsConfig>> limits_keys();     // of a service
[[nodiscard]] std::span<const Key<BackendConfig>> backend_keys();

}  // namespace fairlead::conf
