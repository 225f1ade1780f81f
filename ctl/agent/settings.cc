#include "ctl/agent/settings.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace fairlead::agent {
namespace {

constexpr unsigned kV4Bits = 32;
constexpr unsigned kV6Bits = 128;
// A shorter prefix than these opens the host to tunnels from most of the Internet.
constexpr unsigned kShortestV4Prefix = 8;
constexpr unsigned kShortestV6Prefix = 16;
// Of --mss: what every IPv4 host takes (RFC 9293, 3.7.1), and what the largest Ethernet frames do.
constexpr unsigned kSmallestMss = 536;
constexpr unsigned kLargestMss = 9176;

// Why no service can have this address; empty if one can (RFC 6890; RFC 4291, 2.4).
std::string_view why_no_vip(const IpAddress& address) {
    if (address.is_v4()) {
        const std::uint32_t value = address.v4().host();
        const std::uint32_t first = value >> 24U;
        if (first == 0) {
            return "it means \"this network\"";
        }
        if (first == 127) {
            return "it is a loopback address";
        }
        if (value >> 16U == 0xA9FE) {
            return "it is link-local";
        }
        return first >= 224 ? "it is multicast or reserved" : "";
    }
    const auto& bytes = address.bytes();
    if (std::all_of(bytes.begin(), bytes.end() - 1, [](std::uint8_t byte) { return byte == 0; })) {
        return "it is the unspecified or the loopback address";
    }
    if (bytes[0] == 0xFE && (bytes[1] & 0xC0U) == 0x80) {
        return "it is link-local";
    }
    return bytes[0] == 0xFF ? "it is multicast" : "";
}

Result<IpAddress> parse_vip(const std::string& text) {
    const std::optional<IpAddress> address = IpAddress::parse(text);
    if (!address) {
        return fail(
            fmt::format("--vip \"{}\" is no IP address; write one as 203.0.113.10 or "
                        "2001:db8::10, without port or prefix",
                        text));
    }
    if (const std::string_view reason = why_no_vip(*address); !reason.empty()) {
        return fail(fmt::format("--vip {} cannot be a VIP: {}", text, reason));
    }
    return *address;
}

Result<AddressPrefix> parse_balancer(const std::string& text) {
    const std::size_t slash = text.find('/');
    const std::optional<IpAddress> address =
        IpAddress::parse(std::string_view(text).substr(0, slash));
    if (!address) {
        return fail(
            fmt::format("--balancer \"{}\" is no IP address; write one as 10.0.1.2 or "
                        "2001:db8:1::2, or a prefix as fd00:1::/64",
                        text));
    }
    const unsigned whole = address->is_v4() ? kV4Bits : kV6Bits;
    const unsigned shortest = address->is_v4() ? kShortestV4Prefix : kShortestV6Prefix;
    unsigned bits = whole;
    if (slash != std::string::npos) {
        const std::string_view digits = std::string_view(text).substr(slash + 1);
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), bits);
        if (error != std::errc{} || end != digits.data() + digits.size() || bits > whole ||
            bits < shortest) {
            return fail(fmt::format(
                "--balancer \"{}\" has a wrong prefix length; from /{} to /{} are possible",
                text,
                shortest,
                whole));
        }
    }
    return AddressPrefix{*address, bits};
}

template <typename T>
void add_once(std::vector<T>& all, T value) {
    if (std::find(all.begin(), all.end(), value) == all.end()) {
        all.push_back(std::move(value));
    }
}

void check_tunnels(const Arguments& arguments,
                   const Settings& settings,
                   std::vector<Error>& errors) {
    if (arguments.no_tunnel && !arguments.balancers.empty()) {
        errors.push_back(
            {"--no-tunnel takes no tunnels, so --balancer means nothing with it; leave one out"});
    }
    if (!arguments.no_tunnel && arguments.balancers.empty()) {
        errors.push_back(
            {"--balancer is missing: name each address that tunnels come from, or say "
             "--no-tunnel if all services are forwarded by l2"});
    }
    if (arguments.no_tunnel && arguments.mss) {
        errors.push_back({"--no-tunnel takes no tunnels, so --mss means nothing with it"});
    }
    if (arguments.mss && (*arguments.mss < kSmallestMss || *arguments.mss > kLargestMss)) {
        errors.push_back(
            {fmt::format("--mss {} is no size of a segment; from {} to {} are possible",
                         *arguments.mss,
                         kSmallestMss,
                         kLargestMss)});
    }
    for (const AddressPrefix& balancer : settings.balancers) {
        for (const IpAddress& vip : settings.vips) {
            if (balancer.address == vip) {
                errors.push_back({fmt::format(
                    "{} is named as VIP and as balancer; a balancer's tunnels come from "
                    "an address of its own",
                    vip.text().data())});
            }
        }
    }
}

}  // namespace

Result<Settings, std::vector<Error>> check(const Arguments& arguments) {
    Settings settings;
    std::vector<Error> errors;
    settings.interface_name = arguments.interface_name;
    settings.mss = arguments.mss;
    settings.run_dir = arguments.run_dir;
    if (settings.interface_name.empty()) {
        errors.push_back(
            {"--interface is missing: the one on which the balancers' traffic arrives, as "
             "--interface eth0"});
    }
    if (settings.interface_name == "lo") {
        errors.push_back(
            {"--interface is the one on which the balancers' traffic arrives, which lo is not"});
    }
    if (arguments.vips.empty()) {
        errors.push_back({"--vip is missing: name each address that this backend answers for"});
    }
    for (const std::string& text : arguments.vips) {
        Result<IpAddress> vip = parse_vip(text);
        if (vip) {
            add_once(settings.vips, *vip);
        } else {
            errors.push_back(vip.error());
        }
    }
    for (const std::string& text : arguments.balancers) {
        Result<AddressPrefix> balancer = parse_balancer(text);
        if (balancer) {
            add_once(settings.balancers, *balancer);
        } else {
            errors.push_back(balancer.error());
        }
    }
    check_tunnels(arguments, settings, errors);
    if (!errors.empty()) {
        return Unexpected<std::vector<Error>>{std::move(errors)};
    }
    return settings;
}

}  // namespace fairlead::agent
