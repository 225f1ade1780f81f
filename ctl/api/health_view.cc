#include "ctl/api/views.h"

#include <nlohmann/json.hpp>

namespace fairlead::api {
namespace {

std::string_view word(conf::CheckType type) {
    switch (type) {
        case conf::CheckType::kNone:
            return "none";
        case conf::CheckType::kTcp:
            return "tcp";
        case conf::CheckType::kHttp:
            return "http";
    }
    return "";
}

double milliseconds(std::chrono::nanoseconds duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
}

// What the last check found; nothing before the first has ended, and of what is not checked.
Json result_view(const health::Report* report) {
    if (report == nullptr || !report->has_result) {
        return {{"result", ""}, {"duration_ms", nullptr}, {"lag_ms", nullptr}};
    }
    const bool is_plain = report->last.text.empty() || report->last.outcome == health::Outcome::kOk;
    return {{"result",
             is_plain ? std::string(health::to_text(report->last.outcome)) : report->last.text},
            {"duration_ms", milliseconds(report->last.duration)},
            {"lag_ms", milliseconds(report->lag)}};
}

}  // namespace

// null: of one that is leaving, nothing is checked.
Json health_view(const daemon::Daemon& daemon,
                 const model::Service& service,
                 const model::Backend& backend) {
    if (backend.is_removing) {
        return nullptr;
    }
    const health::Report* const report = daemon.checker().report(service.config.name, backend.name);
    Json view = {{"service", service.config.name},
                 {"backend", backend.name},
                 {"type", word(service.config.health.type)},
                 {"address", backend.address.text().data()},
                 {"state", to_text(backend.health)},
                 {"since", model::rfc3339(backend.health_since)},
                 {"passed", report == nullptr ? 0 : report->passed()},
                 {"failed", report == nullptr ? 0 : report->failed()}};
    view.update(result_view(report));
    return view;
}

}  // namespace fairlead::api
