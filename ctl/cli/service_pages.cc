#include <fmt/format.h>

#include "ctl/cli/json_read.h"
#include "ctl/cli/pages.h"
#include "ctl/cli/table.h"
#include "ctl/cli/units.h"

namespace fairlead::cli {
namespace {

using nlohmann::json;

std::uint64_t dropped_packets(const json& service) {
    std::uint64_t sum = 0;
    for (const auto& [reason, count] : object(service, "dropped").items()) {
        sum += count.is_number_unsigned() ? count.get<std::uint64_t>() : 0;
    }
    return sum;
}

Cell up_cell(const json& service) {
    return flag(service, "up") ? Cell{"up", Tone::kGood} : Cell{"DOWN", Tone::kBad};
}

std::string serving_of_total(const json& service) {
    return fmt::format(
        "{}/{}", number(service, "backends_serving"), number(service, "backends_total"));
}

// Who is let in, and how much; nothing where nothing is limited.
void add_limits(Facts& facts, const json& service) {
    const std::uint64_t allowed = number(service, "allow_prefixes");
    const std::uint64_t denied = number(service, "deny_prefixes");
    if (allowed + denied > 0) {
        facts.add("Sources",
                  fmt::format("prefixes: {} allowed, {} denied; other sources {}",
                              allowed,
                              denied,
                              allowed > 0 ? "denied" : "allowed"));
    }
    const json& limits = object(service, "limits");
    const std::uint64_t packets = number(limits, "packets");
    const std::uint64_t flows = number(limits, "new_flows_per_source");
    if (packets > 0) {
        facts.add("Limit", fmt::format("{} packets a second", packets));
    }
    if (flows > 0) {
        facts.add("Limit", fmt::format("{} new flows a second from one source", flows));
    }
}

// "60% (fail-open): 1 of 3 ready backends healthy, 2 asked for"; nothing where none is asked for.
void add_min_healthy(Facts& facts, const json& service, const Look& look) {
    const json& least = object(service, "min_healthy");
    if (least.empty()) {
        return;
    }
    const bool is_below = flag(least, "below");
    const std::string fallback = text(least, "fallback");
    facts.add("Min healthy",
              look.paint(is_below ? Tone::kBad : Tone::kPlain,
                         fmt::format("{} ({}{}): {} of {} ready backends healthy, {} asked for",
                                     text(least, "configured"),
                                     text(least, "on_min_healthy") +
                                         (fallback.empty() ? "" : " " + fallback),
                                     is_below ? ", now" : "",
                                     number(least, "healthy"),
                                     number(least, "ready"),
                                     number(least, "least"))));
}

}  // namespace

std::string service_table(const json& services, const Look& look) {
    Table table({{"NAME"},
                 {"VIP"},
                 {"PROTOCOL"},
                 {"FORWARDING"},
                 {"STATE"},
                 {"SERVING", Align::kRight},
                 {"FLOWS", Align::kRight},
                 {"NEW FLOWS", Align::kRight},
                 {"PACKETS", Align::kRight},
                 {"BYTES", Align::kRight},
                 {"DROPPED", Align::kRight}});
    for (const json& service : services) {
        const std::uint64_t dropped = dropped_packets(service);
        table.add({{text(service, "name"), Tone::kStrong},
                   {text(service, "vip")},
                   {text(service, "protocol")},
                   {text(service, "forwarding")},
                   up_cell(service),
                   {serving_of_total(service)},
                   {fmt::format("{}", number(service, "active_flows"))},
                   {fmt::format("{}", number(service, "new_flows"))},
                   {fmt::format("{}", number(service, "received_packets"))},
                   {bytes(number(service, "received_bytes"))},
                   {fmt::format("{}", dropped), dropped > 0 ? Tone::kWarning : Tone::kPlain}});
    }
    return table.render(look);
}

std::string service_page(const json& service, const Look& look, Clock::time_point now) {
    Facts facts;
    const Cell state = up_cell(service);
    facts.add("Service", look.paint(Tone::kStrong, text(service, "name")));
    facts.add("VIP",
              fmt::format("{} {}, by {}, hash {}",
                          text(service, "vip"),
                          text(service, "protocol"),
                          text(service, "forwarding"),
                          text(service, "hash")));
    add_limits(facts, service);
    facts.add("State",
              fmt::format("{}, {} backends serving",
                          look.paint(state.tone, state.text),
                          serving_of_total(service)));
    add_min_healthy(facts, service, look);
    facts.add("Received",
              fmt::format("{} in {}",
                          bytes(number(service, "received_bytes")),
                          counted(number(service, "received_packets"), "packet")));
    facts.add(
        "Flows",
        fmt::format(
            "{} now, {} ever", number(service, "active_flows"), number(service, "new_flows")));
    for (const auto& [reason, count] : object(service, "dropped").items()) {
        if (count.is_number_unsigned() && count.get<std::uint64_t>() > 0) {
            facts.add("Dropped",
                      look.paint(Tone::kWarning,
                                 fmt::format("{} {}", count.get<std::uint64_t>(), reason)));
        }
    }
    facts.add("Ring", text(service, "fingerprint"));
    std::string page = facts.render(look);
    if (!array(service, "backends").empty()) {
        page.append("\n").append(backend_table(array(service, "backends"), look, now));
    }
    return page;
}

}  // namespace fairlead::cli
