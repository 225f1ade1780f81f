#include <array>

#include <fmt/format.h>

#include "ctl/cli/json_read.h"
#include "ctl/cli/pages.h"
#include "ctl/cli/table.h"
#include "ctl/cli/units.h"

namespace fairlead::cli {
namespace {

using nlohmann::json;

Cell state_cell(const std::string& state) {
    return {state, tone_of(state)};
}

std::string full_name(const json& backend) {
    return text(backend, "service") + "/" + text(backend, "name");
}

std::string weight_of(const json& backend) {
    const std::uint64_t weight = number(backend, "weight");
    const std::uint64_t configured = number(backend, "configured_weight");
    return weight == configured ? fmt::format("{}", weight)
                                : fmt::format("{} (file: {})", weight, configured);
}

std::string admin_of(const json& backend) {
    return flag(backend, "removing") ? "removing" : text(backend, "admin");
}

std::string link_of(const json& backend, const Look& look) {
    const std::string problem = text(backend, "link_problem");
    if (!problem.empty()) {
        return look.paint(Tone::kBad, problem);
    }
    const json& link = object(backend, "link");
    if (link.empty()) {
        return "none";
    }
    const json& confirmed = field(link, "confirmed_seconds_ago");
    return fmt::format("{} by port {}", text(link, "mac"), text(link, "port")) +
           (confirmed.is_number()
                ? fmt::format(", confirmed {} s ago", number(link, "confirmed_seconds_ago"))
                : "");
}

std::string override_line(const json& change, Clock::time_point now) {
    const json& value = field(change, "value");
    const std::string reason = text(change, "reason");
    return fmt::format("{} = {} by {}, {} ago{}",
                       text(change, "field"),
                       value.is_string() ? value.get<std::string>() : json_text(value, -1),
                       text(change, "by"),
                       age(text(change, "at"), now),
                       reason.empty() ? "" : ": " + reason);
}

}  // namespace

Tone tone_of(std::string_view state) {
    constexpr std::array<std::string_view, 3> kGood{"ready", "up", "serving"};
    constexpr std::array<std::string_view, 7> kWarning{
        "drain", "draining", "removing", "rising", "falling", "maint", "unknown"};
    constexpr std::array<std::string_view, 2> kBad{"down", "out"};
    for (const auto& [states, tone] :
         {std::pair{std::span<const std::string_view>(kGood), Tone::kGood},
          std::pair{std::span<const std::string_view>(kWarning), Tone::kWarning},
          std::pair{std::span<const std::string_view>(kBad), Tone::kBad}}) {
        for (const std::string_view known : states) {
            if (state == known) {
                return tone;
            }
        }
    }
    return Tone::kPlain;
}

std::string Facts::render(const Look& look) const {
    std::size_t width = 0;
    for (const auto& [name, said] : rows_) {
        width = std::max(width, display_width(name));
    }
    std::string page;
    for (const auto& [name, said] : rows_) {
        page += look.paint(Tone::kDim, name) + std::string(width - display_width(name) + 2, ' ') +
                said + "\n";
    }
    return page;
}

std::string backend_table(const json& backends, const Look& look, Clock::time_point now) {
    Table table({{"BACKEND"},
                 {"ADDRESS"},
                 {"WEIGHT", Align::kRight},
                 {"ADMIN"},
                 {"HEALTH"},
                 {"EFFECTIVE"},
                 {"FLOWS", Align::kRight},
                 {"NEW FLOWS", Align::kRight},
                 {"SINCE", Align::kRight},
                 {"WHY"}});
    for (const json& backend : backends) {
        table.add({{full_name(backend), Tone::kStrong},
                   {text(backend, "address")},
                   {weight_of(backend)},
                   state_cell(admin_of(backend)),
                   state_cell(text(backend, "health")),
                   state_cell(text(backend, "effective")),
                   {fmt::format("{}", number(backend, "active_flows"))},
                   {fmt::format("{}", number(backend, "new_flows"))},
                   {age(text(backend, "since"), now)},
                   {text(backend, "why")}});
    }
    return table.render(look);
}

std::string backend_page(const json& backend, const Look& look, Clock::time_point now) {
    const auto painted = [&](const std::string& state) {
        return look.paint(tone_of(state), state);
    };
    Facts facts;
    facts.add("Backend", look.paint(Tone::kStrong, full_name(backend)));
    facts.add("Address", text(backend, "address"));
    facts.add("From", text(backend, "origin") == "runtime" ? "added at run time" : "the file");
    facts.add("State",
              fmt::format("{} (admin {}, health {}) for {}",
                          painted(text(backend, "effective")),
                          painted(admin_of(backend)),
                          painted(text(backend, "health")),
                          age(text(backend, "since"), now)));
    if (!text(backend, "why").empty()) {
        facts.add("Why", text(backend, "why"));
    }
    facts.add(
        "Weight",
        fmt::format("{}, effective {}", weight_of(backend), number(backend, "effective_weight")));
    facts.add(
        "Flows",
        fmt::format(
            "{} now, {} ever", number(backend, "active_flows"), number(backend, "new_flows")));
    facts.add("Forwarded",
              fmt::format("{} in {}",
                          bytes(number(backend, "forwarded_bytes")),
                          counted(number(backend, "forwarded_packets"), "packet")));
    facts.add("Link", link_of(backend, look));
    if (const std::uint64_t mtu = number(backend, "path_mtu"); mtu != 0) {
        facts.add("Path MTU", fmt::format("{} bytes, as a router on the way says", mtu));
    }
    for (const json& change : array(backend, "overrides")) {
        facts.add("Override", override_line(change, now));
    }
    return facts.render(look);
}

std::string health_table(const json& checks, const Look& look, Clock::time_point now) {
    Table table({{"BACKEND"},
                 {"TYPE"},
                 {"ADDRESS"},
                 {"STATE"},
                 {"SINCE", Align::kRight},
                 {"TOOK", Align::kRight},
                 {"LATE", Align::kRight},
                 {"PASSED", Align::kRight},
                 {"FAILED", Align::kRight},
                 {"RESULT"}});
    for (const json& check : checks) {
        const std::uint64_t failed = number(check, "failed");
        table.add({{text(check, "service") + "/" + text(check, "backend"), Tone::kStrong},
                   {text(check, "type")},
                   {text(check, "address")},
                   state_cell(text(check, "state")),
                   {age(text(check, "since"), now)},
                   {in_milliseconds(real(check, "duration_ms"))},
                   {in_milliseconds(real(check, "lag_ms"))},
                   {fmt::format("{}", number(check, "passed"))},
                   {fmt::format("{}", failed), failed > 0 ? Tone::kWarning : Tone::kPlain},
                   {text(check, "result")}});
    }
    return table.render(look);
}

}  // namespace fairlead::cli
