// Identifiers that cross folders, each a type of its own so that they cannot be mixed up.
#pragma once

#include <cstdint>
#include <type_traits>

namespace fairlead {

// Stable number of a service; indexes its counters in `telemetry`.
enum class ServiceId : std::uint32_t {
};
// Index of one (service, server) record in `tables`; stable over restarts of the daemon.
enum class BackendIndex : std::uint16_t {
};
// Position of a [[port]] in the configuration.
enum class PortIndex : std::uint8_t {
};
// Number of a worker, which is also the number of the NIC queue that it polls on every port.
enum class WorkerIndex : std::uint16_t {
};

inline constexpr BackendIndex kNoBackendIndex{0xFFFF};
inline constexpr ServiceId kNoServiceId{0xFFFF'FFFF};

template <typename Id>
[[nodiscard]] constexpr auto to_number(Id id) noexcept {
    return static_cast<std::underlying_type_t<Id>>(id);
}

}  // namespace fairlead
