// How single values are spelled in the configuration: text in, a value or nothing out.
//
// Thread: any; no state. The messages about what is wrong are made in values.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dp/net/ip_address.h"
#include "dp/net/ip_prefix.h"
#include "dp/net/mac_address.h"

namespace fairlead::conf {

struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;
};

// What a service takes of a VIP, numbered as in ServiceConfig.
struct VipEndpoint {
    IpAddress address;
    std::uint16_t port = 0;
    std::uint16_t last_port = 0;
};

// 1 to 63 of [A-Za-z0-9._-], the first a letter or digit: safe in paths, labels and URLs.
[[nodiscard]] bool is_name(std::string_view text) noexcept;
[[nodiscard]] bool is_control(char c) noexcept;

// Decimal digits and nothing else.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text) noexcept;
// "500ms", "1s", "15m", "2h".
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(
    std::string_view text) noexcept;
// The shortest way to write a duration.
[[nodiscard]] std::string duration_text(std::chrono::milliseconds duration);
// "65536", "64k", "8M", "1G"; powers of 1024.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text) noexcept;
// "100/s", "64k/s", "2M/s", "1G/s": a second; powers of 1000.
[[nodiscard]] std::optional<std::uint64_t> parse_rate(std::string_view text) noexcept;
// The shortest way to write a rate.
[[nodiscard]] std::string rate_text(std::uint64_t per_second);
// "192.0.2.0/24", "2001:db8::/32", or an address alone, which is a prefix of its full length. Bits
// behind the prefix may be set: it is the caller's to refuse them.
[[nodiscard]] std::optional<IpPrefix> parse_source_prefix(std::string_view text) noexcept;
[[nodiscard]] std::string prefix_text(const IpPrefix& prefix);
// "60%", from 1% to 100%.
[[nodiscard]] std::optional<std::uint32_t> parse_percent(std::string_view text) noexcept;
// "2-7" or "0,2,4-5", in that order, none above `highest`; a CPU may stand in it twice.
[[nodiscard]] std::optional<std::vector<std::uint32_t>> parse_cpus(std::string_view text,
                                                                   std::uint32_t highest);
// IPv4 has one spelling here: not as ::ffff:a.b.c.d.
[[nodiscard]] std::optional<IpAddress> parse_address(std::string_view text) noexcept;
// "203.0.113.10:443" or "[2001:db8::10]:443"; the port from 1.
[[nodiscard]] std::optional<Endpoint> parse_endpoint(std::string_view text) noexcept;
// The same, or "ADDRESS:8000-8100", or "ADDRESS:any".
[[nodiscard]] std::optional<VipEndpoint> parse_vip(std::string_view text) noexcept;
// The address of one station: neither of a group nor all zero.
[[nodiscard]] std::optional<MacAddress> parse_station_mac(std::string_view text) noexcept;

}  // namespace fairlead::conf
