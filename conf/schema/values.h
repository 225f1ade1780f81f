// The kinds of value that a key may have: how each is written, what it becomes, what is refused.
//
// Thread: any; no state. What is wrong goes to Problems, with its place.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "conf/schema/config.h"
#include "conf/schema/document.h"
#include "conf/schema/problems.h"
#include "conf/schema/scalars.h"

namespace fairlead::conf {

enum class ValueKind : std::uint8_t {
    kName,          // 1 to 63 of [A-Za-z0-9._-], the first a letter or digit
    kText,          // min..max bytes, no blanks at the ends
    kToken,         // min..max bytes without blanks: what goes into a request or a device name
    kFilePath,      // absolute
    kUrlPath,       // begins with a slash, without blanks
    kChoice,        // one of `choices`; becomes its position
    kInteger,       // min..max
    kDuration,      // "500ms", "1s", "15m", "2h"; min..max milliseconds
    kSize,          // 65536, "64k", "8M", "1G", powers of 1024; min..max
    kCpuList,       // "2-7" or "0,2,4-5"
    kAddress,       // IPv4 or IPv6
    kAddresses,     // the same, or ["10.0.0.2", "fd00::2"]; min..max of them
    kEndpoint,      // "203.0.113.10:443" or "[2001:db8::10]:443"
    kVip,           // the same, or "203.0.113.10:8000-8100", or "203.0.113.10:any"
    kMac,           // "02:00:00:00:04:01", of one station
    kPrefix,        // "fd00:1::/64"
    kPrefixes,      // ["10.0.0.2/24", "2001:db8::2/64"]
    kSources,       // ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"], without bits behind
    kRate,          // "100/s", "2M/s", powers of 1000; min..max a second
    kMinHealthy,    // "60%", or a number of backends, 0..max
    kStatusRanges,  // ["200-299", "304", 401]
};

using Value = std::variant<std::string,
                           std::uint64_t,
                           std::chrono::milliseconds,
                           std::vector<std::uint32_t>,
                           IpAddress,
                           std::vector<IpAddress>,
                           Endpoint,
                           VipEndpoint,
                           MacAddress,
                           PortConfig::Prefix,
                           std::vector<PortConfig::Prefix>,
                           SourceList,
                           MinHealthy,
                           std::vector<StatusRange>>;

// What the table of keys says of one key, whatever struct it goes into.
struct KeyInfo {
    std::string_view name;
    ValueKind kind = ValueKind::kText;
    std::string_view default_text;  // as in the file, without quotes; empty: none, or another key's
    std::uint64_t min = 0;          // in the kind's unit
    std::uint64_t max = 0;
    std::span<const std::string_view> choices;  // kChoice
    bool is_required = false;
    std::string_view help;  // a sentence for the operator
};

// Reads one value; nothing if it was wrong, and then `problems` says why.
[[nodiscard]] std::optional<Value> read_value(const KeyInfo& key,
                                              const Node& node,
                                              Problems& problems);

// The value of `key.default_text`. Requires that it is not empty; it is valid by the table's own
// test.
[[nodiscard]] Value default_value(const KeyInfo& key);

}  // namespace fairlead::conf
