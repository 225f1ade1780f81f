// lbctl drops: what was dropped, why, and what to do about it.
#include <chrono>
#include <ctime>
#include <map>
#include <thread>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "ctl/cli/commands.h"
#include "ctl/cli/json_read.h"
#include "ctl/cli/pages.h"
#include "ctl/cli/table.h"

namespace fairlead::cli {
namespace {

using nlohmann::json;
using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kWatchInterval{1};

// "portal 12, api 3".
std::string shares(const json& counts) {
    std::string line;
    for (const auto& [name, count] : counts.items()) {
        if (count.is_number_unsigned()) {
            line +=
                fmt::format("{}{} {}", line.empty() ? "" : ", ", name, count.get<std::uint64_t>());
        }
    }
    return line;
}

Outcome<json> look(const Context& context) {
    const std::string& service = context.command.target;
    return context.daemon.get(service.empty() ? "/api/v1/drops"
                                              : "/api/v1/drops?service=" + percent_encode(service));
}

// Adds "per_second" to each reason, from an earlier look; none where the counter began anew.
void add_rates(json& now, const json& before, std::chrono::duration<double> between) {
    std::map<std::string, std::uint64_t> old;
    for (const json& drop : array(before, "drops")) {
        old.emplace(text(drop, "reason"), number(drop, "packets"));
    }
    if (array(now, "drops").empty()) {
        return;
    }
    for (json& drop : now["drops"]) {
        const auto found = old.find(text(drop, "reason"));
        const std::uint64_t packets = number(drop, "packets");
        if (found != old.end() && packets >= found->second && between.count() > 0) {
            drop["per_second"] = static_cast<double>(packets - found->second) / between.count();
        }
    }
}

// Those that are dropped at this moment, one line a reason with the time before it: for a file or a
// pipe, where a page every second would hide what is new in it.
std::string drops_lines(const json& drops, std::time_t now) {
    std::string lines;
    for (const json& drop : array(drops, "drops")) {
        if (const double rate = real(drop, "per_second"); rate > 0) {
            const std::string of = shares(object(drop, "services")) + shares(object(drop, "ports"));
            lines += fmt::format("{:%FT%TZ} {} {:.0f}/s, {} in all{}\n",
                                 fmt::gmtime(now),
                                 text(drop, "reason"),
                                 rate,
                                 number(drop, "packets"),
                                 of.empty() ? "" : ": " + of);
        }
    }
    return lines;
}

void show(const Context& context, const json& drops) {
    const Look& look = context.out_look;
    const std::time_t now = std::time(nullptr);
    if (context.is_json()) {
        context.out << json_text(drops, context.command.watches ? -1 : 2) << "\n";
    } else if (!context.command.watches) {
        context.out << drops_page(drops, context.command.shows_all, look);
    } else if (look.is_terminal) {
        context.out << "\x1b[H\x1b[2J"
                    << fmt::format("{:%T} UTC, every second; Ctrl-C ends\n\n", fmt::gmtime(now))
                    << drops_page(drops, context.command.shows_all, look);
    } else {
        context.out << drops_lines(drops, now);
    }
    context.out.flush();
}

void say_if_no_engine(const Context& context, const json& drops) {
    if (!flag(drops, "engine_up")) {
        context.err << "No engine runs: these are the counts of the last one.\n";
    }
}

// Until the output is gone or somebody ends it. A daemon that is being restarted comes back.
Outcome<ExitCode> watch(const Context& context, json drops) {
    auto taken = SteadyClock::now();
    bool was_away = false;
    while (context.out) {
        std::this_thread::sleep_for(kWatchInterval);
        auto next = look(context);
        const bool is_away = !next && next.error().code == ExitCode::kUnreachable;
        if (is_away && !was_away) {
            context.err << "lbd is not reachable, still trying\n";
        }
        was_away = is_away;
        if (is_away) {
            continue;
        }
        if (!next) {
            return Unexpected<Failure>{next.error()};
        }
        const auto now = SteadyClock::now();
        add_rates(*next, drops, now - taken);
        show(context, *next);
        taken = now;
        drops = std::move(*next);
    }
    return ExitCode::kDone;
}

}  // namespace

std::string drops_page(const json& drops, bool shows_all, const Look& look) {
    bool has_rates = false;
    for (const json& drop : array(drops, "drops")) {
        has_rates = has_rates || drop.contains("per_second");
    }
    std::vector<Column> columns{{"REASON"}, {"PACKETS", Align::kRight}};
    if (has_rates) {
        columns.push_back({"PER SECOND", Align::kRight});
    }
    columns.insert(columns.end(), {{"WHERE"}, {"OF"}});
    Table table(std::move(columns));
    Facts sentences;
    for (const json& drop : array(drops, "drops")) {
        const std::uint64_t packets = number(drop, "packets");
        if (packets == 0 && !shows_all) {
            continue;
        }
        const std::string reason = text(drop, "reason");
        std::vector<Cell> cells{
            {reason, Tone::kStrong},
            {fmt::format("{}", packets), packets > 0 ? Tone::kWarning : Tone::kPlain}};
        if (has_rates) {
            const double rate = real(drop, "per_second");
            cells.push_back(
                {rate > 0 ? fmt::format("{:.0f}", rate) : "-", rate > 0 ? Tone::kBad : Tone::kDim});
        }
        cells.push_back({text(drop, "where")});
        cells.push_back({shares(object(drop, "services")) + shares(object(drop, "ports"))});
        table.add(std::move(cells));
        sentences.add(reason, text(drop, "sentence"));
    }
    if (table.is_empty()) {
        return "Nothing was dropped.\n";
    }
    return table.render(look).append("\n").append(sentences.render(look));
}

Outcome<ExitCode> run_drops(const Context& context) {
    auto drops = look(context);
    if (!drops) {
        return Unexpected<Failure>{drops.error()};
    }
    say_if_no_engine(context, *drops);
    if (!context.command.watches) {
        show(context, *drops);
        return ExitCode::kDone;
    }
    if (context.out_look.is_terminal || context.is_json()) {
        show(context, *drops);
    }
    return watch(context, std::move(*drops));
}

}  // namespace fairlead::cli
