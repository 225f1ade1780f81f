// In which format a scraper wants its answer: Prometheus' own text, or OpenMetrics.
#pragma once

#include <cstdint>
#include <string_view>

namespace fairlead::metrics {

enum class Format : std::uint8_t {
    kText,        // Prometheus text 0.0.4
    kOpenMetrics  // 1.0.0
};

// By the request's Accept field (RFC 9110, 12.5.1): OpenMetrics where it is named with a weight
// other than 0 and no version that we do not write. Anything else, also nothing, is text.
[[nodiscard]] Format format_for(std::string_view accept);

[[nodiscard]] std::string_view content_type_of(Format format);

}  // namespace fairlead::metrics
