#include "conf/schema/scalars.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include <fmt/format.h>

namespace fairlead::conf {

namespace {

[[nodiscard]] bool is_alphanumeric(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array kDurationUnits{
    Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000}, Unit{"h", 3'600'000}};
constexpr std::array kSizeUnits{
    Unit{"", 1}, Unit{"k", 1U << 10U}, Unit{"M", 1U << 20U}, Unit{"G", 1U << 30U}};
constexpr std::array kRateUnits{
    Unit{"", 1}, Unit{"k", 1'000}, Unit{"M", 1'000'000}, Unit{"G", 1'000'000'000}};

// A number followed by one of `units`, as a multiple of the smallest; nothing if it overflows.
[[nodiscard]] std::optional<std::uint64_t> parse_scaled(std::string_view text,
                                                        std::span<const Unit> units) noexcept {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const std::optional<std::uint64_t> number = parse_number(text.substr(0, digits));
    const auto unit = std::find_if(units.begin(), units.end(), [&](const Unit& candidate) {
        return candidate.name == text.substr(digits);
    });
    std::uint64_t scaled = 0;
    if (!number || unit == units.end() || __builtin_mul_overflow(*number, unit->factor, &scaled)) {
        return std::nullopt;
    }
    return scaled;
}

}  // namespace

bool is_control(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
}

bool is_name(std::string_view text) noexcept {
    constexpr std::size_t kMaxName = 63;
    return !text.empty() && text.size() <= kMaxName && is_alphanumeric(text.front()) &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
           });
}

std::optional<std::uint64_t> parse_number(std::string_view text) noexcept {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_whole = error == std::errc{} && end == text.data() + text.size();
    return is_whole ? std::optional(number) : std::nullopt;
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) noexcept {
    constexpr std::uint64_t kLongest = 1ULL
                                       << 53U;  // exact in every reader of JSON, and no overflow
    const std::optional<std::uint64_t> count = parse_scaled(text, kDurationUnits);
    return count && *count < kLongest ? std::optional(std::chrono::milliseconds(*count))
                                      : std::nullopt;
}

std::string duration_text(std::chrono::milliseconds duration) {
    const auto count = static_cast<std::uint64_t>(duration.count());
    const auto unit =
        std::find_if(kDurationUnits.rbegin(), kDurationUnits.rend(), [&](const Unit& u) {
            return count % u.factor == 0 && count >= u.factor;
        });
    return unit == kDurationUnits.rend() ? fmt::format("{}ms", count)
                                         : fmt::format("{}{}", count / unit->factor, unit->name);
}

std::optional<std::uint64_t> parse_size(std::string_view text) noexcept {
    return parse_scaled(text, kSizeUnits);
}

std::optional<std::uint64_t> parse_rate(std::string_view text) noexcept {
    constexpr std::string_view kPerSecond = "/s";
    if (!text.ends_with(kPerSecond)) {
        return std::nullopt;
    }
    text.remove_suffix(kPerSecond.size());
    return parse_scaled(text, kRateUnits);
}

std::string rate_text(std::uint64_t per_second) {
    const auto unit = std::find_if(kRateUnits.rbegin(), kRateUnits.rend(), [&](const Unit& u) {
        return per_second % u.factor == 0 && per_second >= u.factor;
    });
    return unit == kRateUnits.rend() ? "0/s"
                                     : fmt::format("{}{}/s", per_second / unit->factor, unit->name);
}

std::optional<IpPrefix> parse_source_prefix(std::string_view text) noexcept {
    const std::size_t slash = std::min(text.find('/'), text.size());
    const std::optional<IpAddress> address = parse_address(text.substr(0, slash));
    if (!address) {
        return std::nullopt;
    }
    const std::uint64_t longest = address->is_v4() ? kV4Bits : kV6Bits;
    const auto length = slash == text.size() ? longest : parse_number(text.substr(slash + 1));
    if (!length || *length > longest) {
        return std::nullopt;
    }
    return IpPrefix{*address, static_cast<std::uint8_t>(*length)};
}

std::string prefix_text(const IpPrefix& prefix) {
    return fmt::format("{}/{}", prefix.address.text().data(), prefix.length);
}

std::optional<std::uint32_t> parse_percent(std::string_view text) noexcept {
    constexpr std::uint64_t kAll = 100;
    if (!text.ends_with('%')) {
        return std::nullopt;
    }
    text.remove_suffix(1);
    const std::optional<std::uint64_t> percent = parse_number(text);
    return percent && *percent >= 1 && *percent <= kAll
               ? std::optional(static_cast<std::uint32_t>(*percent))
               : std::nullopt;
}

std::optional<std::vector<std::uint32_t>> parse_cpus(std::string_view text, std::uint32_t highest) {
    std::vector<std::uint32_t> cpus;
    // A list that names every CPU many times over would only cost memory.
    while (cpus.size() <= 2 * std::size_t{highest}) {
        const std::size_t end = std::min(text.find(','), text.size());
        const std::string_view part = text.substr(0, end);
        const std::size_t dash = std::min(part.find('-'), part.size());
        const auto first = parse_number(part.substr(0, dash));
        const auto last = dash == part.size() ? first : parse_number(part.substr(dash + 1));
        if (!first || !last || *first > *last || *last > highest) {
            return std::nullopt;
        }
        for (std::uint64_t cpu = *first; cpu <= *last; ++cpu) {
            cpus.push_back(static_cast<std::uint32_t>(cpu));
        }
        if (end == text.size()) {
            return cpus;
        }
        text.remove_prefix(end + 1);
    }
    return std::nullopt;
}

std::optional<IpAddress> parse_address(std::string_view text) noexcept {
    if (text.find('\0') != std::string_view::npos) {
        return std::nullopt;  // the text would end there for the C library, and not for the reader
    }
    const std::optional<IpAddress> address = IpAddress::parse(text);
    const bool is_mapped = address && address->is_v4() && text.find(':') != std::string_view::npos;
    return is_mapped ? std::nullopt : address;
}

namespace {

struct AddressAndPort {
    IpAddress address;
    std::string_view port;  // what stands behind the last colon
};

[[nodiscard]] std::optional<AddressAndPort> split_port_off(std::string_view text) noexcept {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return std::nullopt;
    }
    std::string_view address_text = text.substr(0, colon);
    const bool is_bracketed = address_text.starts_with('[') && address_text.ends_with(']');
    if (is_bracketed) {
        address_text = address_text.substr(1, address_text.size() - 2);
    }
    const std::optional<IpAddress> address = parse_address(address_text);
    if (!address || address->is_v4() == is_bracketed) {
        return std::nullopt;
    }
    return AddressAndPort{*address, text.substr(colon + 1)};
}

[[nodiscard]] std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
    const std::optional<std::uint64_t> port = parse_number(text);
    return port && *port != 0 && *port <= 0xFFFF ? std::optional(static_cast<std::uint16_t>(*port))
                                                 : std::nullopt;
}

}  // namespace

std::optional<Endpoint> parse_endpoint(std::string_view text) noexcept {
    const std::optional<AddressAndPort> parts = split_port_off(text);
    const std::optional<std::uint16_t> port = parts ? parse_port(parts->port) : std::nullopt;
    return port ? std::optional(Endpoint{parts->address, *port}) : std::nullopt;
}

std::optional<VipEndpoint> parse_vip(std::string_view text) noexcept {
    const std::optional<AddressAndPort> parts = split_port_off(text);
    if (!parts) {
        return std::nullopt;
    }
    if (parts->port == "any") {
        return VipEndpoint{parts->address};
    }
    const std::size_t dash = std::min(parts->port.find('-'), parts->port.size());
    const std::optional<std::uint16_t> first = parse_port(parts->port.substr(0, dash));
    const std::optional<std::uint16_t> last =
        dash == parts->port.size() ? first : parse_port(parts->port.substr(dash + 1));
    if (!first || !last || *first > *last) {
        return std::nullopt;
    }
    return VipEndpoint{parts->address, *first, *first == *last ? std::uint16_t{0} : *last};
}

std::optional<MacAddress> parse_station_mac(std::string_view text) noexcept {
    const std::optional<MacAddress> mac = MacAddress::parse(text);
    const bool is_group = mac && (mac->bytes[0] & 1U) != 0;  // IEEE 802.3, 3.2.3: the I/G bit
    return is_group || mac == MacAddress{} ? std::nullopt : mac;
}

}  // namespace fairlead::conf
