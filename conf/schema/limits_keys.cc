// The part of the table of keys that a service's `limits` has.
#include <array>

#include "conf/schema/keys.h"

namespace fairlead::conf {

namespace {

// The kind is a rate, and its bounds are those of 32 bits.
[[nodiscard]] std::uint32_t per_second(const Value& value) {
    return static_cast<std::uint32_t>(*std::get_if<std::uint64_t>(&value));
}

constexpr std::array kLimitsKeys{
    Key<LimitsConfig>{{.name = "packets",
                       .kind = ValueKind::kRate,
                       .min = 1,
                       .max = kMaxPacketsPerSecond,
                       .help = "Packets a second that the service takes, over all workers; what "
                               "comes beyond a tenth of a second's worth at once is dropped."},
                      [](LimitsConfig& limits, const Value& value) {
                          limits.packets = per_second(value);
                      }},
    Key<LimitsConfig>{{.name = "new_flows_per_source",
                       .kind = ValueKind::kRate,
                       .min = 1,
                       .max = kMaxNewFlowsPerSecond,
                       .help = "Connections a second that one source may begin, a second's worth "
                               "at once: an IPv4 address, or an IPv6 /64."},
                      [](LimitsConfig& limits, const Value& value) {
                          limits.new_flows_per_source = per_second(value);
                      }},
};

}  // namespace

std::span<const Key<LimitsConfig>> limits_keys() {
    return kLimitsKeys;
}

}  // namespace fairlead::conf
