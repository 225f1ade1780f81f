// What of a VIP a service takes: one port, a range of ports, or any; and what binds a client to a
// backend. Plain questions about a ServiceConfig. Thread: any; no state.
#pragma once

#include <cstdint>
#include <string>

#include "conf/schema/config.h"

namespace fairlead::conf {

// Where several services of a VIP and protocol take a port, the one that says it most exactly gets
// the packet.
enum class PortScope : std::uint8_t {
    kOne,
    kRange,
    kAny
};
[[nodiscard]] PortScope scope_of(const ServiceConfig& service) noexcept;

// Whether some packet could be for both: one VIP and protocol, and a port in common.
[[nodiscard]] bool share_a_port(const ServiceConfig& one, const ServiceConfig& other) noexcept;

// As the file, the API and the metrics spell it: "203.0.113.10:443", "[2001:db8::10]:8000-8100",
// "203.0.113.10:any".
[[nodiscard]] std::string vip_text(const ServiceConfig& service);

// Bits of the client's address that choose its backend; 0: the whole 5-tuple does. By default all
// of an IPv4 address, and the 64 bits of an IPv6 one that a network is (RFC 4291, 2.5.4), since a
// host there changes the rest at will (RFC 8981).
[[nodiscard]] std::uint8_t source_prefix_bits(const ServiceConfig& service) noexcept;

// "5tuple", or "source/24".
[[nodiscard]] std::string hash_text(const ServiceConfig& service);

}  // namespace fairlead::conf
