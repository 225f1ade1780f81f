#include "ctl/cli/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>

#include <fmt/format.h>

namespace fairlead::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::hours kLongest{24 * 365};

// Seconds of a "2026-11-22T19:00:00.123Z" or "...+01:00", whole; false if it is none.
bool read_rfc3339(const std::string& text, std::time_t& seconds) {
    std::tm parts{};
    const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == nullptr) {
        return false;
    }
    if (*rest == '.') {
        do {
            ++rest;
        } while (*rest >= '0' && *rest <= '9');
    }
    std::tm zone{};
    if (*rest != 'Z' && *rest != 'z') {
        if (*rest != '+' && *rest != '-') {
            return false;
        }
        const char* end = ::strptime(rest + 1, "%H:%M", &zone);
        if (end == nullptr || *end != '\0') {
            return false;
        }
    }
    const std::time_t offset = std::time_t{zone.tm_hour} * 3600 + std::time_t{zone.tm_min} * 60;
    seconds = ::timegm(&parts) - (*rest == '-' ? -offset : offset);
    return true;
}

}  // namespace

std::string bytes(std::uint64_t count) {
    constexpr std::array<std::string_view, 6> kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (count < 1000) {
        return fmt::format("{} B", count);
    }
    double value = static_cast<double>(count) / 1024;
    std::size_t unit = 0;
    // 999.5 would be written with four digits.
    while (value >= 999.5 && unit + 1 < kUnits.size()) {
        value /= 1024;
        ++unit;
    }
    const int decimals = value < 9.995 ? 2 : (value < 99.95 ? 1 : 0);
    return fmt::format("{:.{}f} {}", value, decimals, kUnits.at(unit));
}

std::string counted(std::uint64_t count, std::string_view noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string duration(std::chrono::milliseconds span) {
    if (span < 1s) {
        return fmt::format("{} ms", span.count());
    }
    if (span < 1min) {
        return fmt::format("{:.1f} s", std::floor(static_cast<double>(span.count()) / 100) / 10);
    }
    const auto seconds = span.count() / 1000;
    if (span < 1h) {
        return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
    }
    if (span < 24h) {
        return fmt::format("{}h{:02}m", seconds / 3600, seconds / 60 % 60);
    }
    return fmt::format("{}d{:02}h", seconds / 86400, seconds / 3600 % 24);
}

std::string in_milliseconds(double count) {
    return fmt::format("{:.{}f} ms", count, count < 10 ? 1 : 0);
}

std::string age(const std::string& rfc3339, std::chrono::system_clock::time_point now) {
    if (rfc3339.empty()) {
        return "-";
    }
    std::time_t then = 0;
    if (!read_rfc3339(rfc3339, then)) {
        return rfc3339;
    }
    const auto span = std::chrono::duration_cast<std::chrono::seconds>(
        now - std::chrono::system_clock::from_time_t(then));
    // A clock that was set back must not show a negative age.
    const auto passed = span < 0s ? 0s : span;
    return passed < 1min ? fmt::format("{}s", passed.count())
                         : duration(std::chrono::duration_cast<std::chrono::milliseconds>(passed));
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
    struct Unit {
        std::string_view name;
        std::chrono::milliseconds length;
    };
    constexpr std::array<Unit, 4> kUnits{{{"ms", 1ms}, {"s", 1s}, {"m", 1min}, {"h", 1h}}};
    const auto wrong = [&] {
        return fail(fmt::format(
            "\"{}\" is no duration: expected a number and its unit, such as 500ms, 30s, 5m or 1h",
            text));
    };
    std::uint64_t count = 0;
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, count);
    if (error != std::errc{}) {
        return wrong();
    }
    const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
    for (const Unit& known : kUnits) {
        if (unit == known.name) {
            const auto most = static_cast<std::uint64_t>(kLongest / known.length);
            if (count > most) {
                return fail(fmt::format("\"{}\" is longer than a year", text));
            }
            return known.length * static_cast<std::int64_t>(count);
        }
    }
    return wrong();
}

}  // namespace fairlead::cli
