// Prometheus' text format 0.0.4, or OpenMetrics 1.0.0, written into one string.
//
// Labels come rendered, without the closing brace (labels.h), so that a scrape of many thousand
// series copies bytes and formats numbers, and nothing else. The format wants all samples of a
// family together: begin a family, then write its samples.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "ctl/metrics/format.h"

namespace fairlead::metrics {

enum class Type : std::uint8_t {
    kCounter,
    kGauge,
    kHistogram
};

class TextWriter {
  public:
    explicit TextWriter(Format format = Format::kText) : format_(format) {}

    void family(std::string_view name, Type type, std::string_view help);

    // One sample of the family begun last. `labels` is "" or an unclosed set: `{service="portal"`;
    // `more` is appended within it: `,reason="truncated"`.
    template <std::integral Number>
    void sample(std::string_view labels, std::string_view more, Number value) {
        begin_sample("", labels, more);
        append(value);
    }
    void sample(std::string_view labels, std::string_view more, double value);
    // With a suffix to the family's name: `_bucket`, `_sum`, `_count`.
    void suffixed(std::string_view suffix,
                  std::string_view labels,
                  std::string_view more,
                  double value);

    // The whole text, ended as the format wants it.
    [[nodiscard]] std::string take();
    void reserve(std::size_t bytes) { text_.reserve(bytes); }

  private:
    void begin_sample(std::string_view suffix, std::string_view labels, std::string_view more);
    void append(std::uint64_t value);
    void append(std::int64_t value);
    void append(std::int32_t value) { append(std::int64_t{value}); }
    void append(std::uint32_t value) { append(std::uint64_t{value}); }
    void append(bool value) { append(std::uint64_t{value ? 1U : 0U}); }
    void append(double value);

    Format format_;
    std::string text_;
    std::string_view name_;
};

// `key="value"`, the value with backslash, quote and line feed escaped; any other control character
// and what is not UTF-8 become U+FFFD, as Prometheus refuses a scrape for it.
[[nodiscard]] std::string label(std::string_view key, std::string_view value);

// A number as the format spells it: shortest form, "+Inf", "-Inf", "NaN".
[[nodiscard]] std::string number_text(double value);
// Without an exponent and with a point, as others write the bounds of histograms: "0.0005", "1.0".
[[nodiscard]] std::string decimal_text(double value);

}  // namespace fairlead::metrics
