#include <array>

#include "ctl/health/check_thread.h"
#include "ctl/metrics/exporter.h"

namespace fairlead::metrics {
namespace {

double seconds(std::chrono::nanoseconds duration) {
    return std::chrono::duration<double>(duration).count();
}

void write_counts(TextWriter& out, health::CheckThread& checker) {
    out.family("fairlead_health_checks_total",
               Type::kCounter,
               "Checks that ended, by result; discarded: says nothing about the backend.");
    std::array<std::string, health::kOutcomes> results;
    for (std::size_t i = 0; i < health::kOutcomes; ++i) {
        results[i] = "," + label("result", health::to_text(static_cast<health::Outcome>(i)));
    }
    checker.for_each([&](const health::Target& target, const health::Report& report) {
        if (target.health.type == conf::CheckType::kNone) {
            return;
        }
        const std::string labels =
            "{" + label("service", target.service) + "," + label("backend", target.backend);
        for (std::size_t i = 0; i < health::kOutcomes; ++i) {
            out.sample(labels, results[i], report.outcomes[i]);
        }
    });
}

void write_durations(TextWriter& out, const health::DurationHistogram& durations) {
    out.family("fairlead_health_check_duration_seconds",
               Type::kHistogram,
               "How long checks took, from connecting to their result.");
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < health::DurationHistogram::kBounds.size(); ++i) {
        below += durations.buckets()[i];
        const double bound = seconds(health::DurationHistogram::kBounds[i]);
        out.suffixed(
            "_bucket", "", ",le=\"" + decimal_text(bound) + "\"", static_cast<double>(below));
    }
    const auto count = static_cast<double>(durations.count());
    out.suffixed("_bucket", "", ",le=\"+Inf\"", count);
    out.suffixed("_sum", "", "", seconds(durations.sum()));
    out.suffixed("_count", "", "", count);
}

}  // namespace

void write_health(TextWriter& out, const daemon::Daemon& daemon) {
    write_counts(out, daemon.checker());
    write_durations(out, daemon.checker().durations());
    out.family("fairlead_health_check_lag_seconds",
               Type::kGauge,
               "The longest that a check began late, within the last 10 to 20 seconds.");
    out.sample("", "", seconds(daemon.checker().lag()));
    out.family("fairlead_mass_failure_hold",
               Type::kGauge,
               "Whether no check takes a backend out, since most failed at once.");
    out.sample("", "", daemon.mass_failure().holds());
    out.family("fairlead_mass_failure_holds_total",
               Type::kCounter,
               "How often that was so since lbd started.");
    out.sample("", "", daemon.mass_failure().holds_so_far());
}

}  // namespace fairlead::metrics
