// lbctl drops: what was dropped, why, and what to do about it.
#include <fmt/format.h>

#include "ctl/cli/commands.h"
#include "ctl/cli/json_read.h"
#include "ctl/cli/pages.h"
#include "ctl/cli/table.h"

namespace fairlead::cli {
namespace {

using nlohmann::json;

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

}  // namespace

std::string drops_page(const json& drops, bool shows_all, const Look& look) {
    Table table({{"REASON"}, {"PACKETS", Align::kRight}, {"WHERE"}, {"OF"}});
    Facts sentences;
    for (const json& drop : array(drops, "drops")) {
        const std::uint64_t packets = number(drop, "packets");
        if (packets == 0 && !shows_all) {
            continue;
        }
        const std::string reason = text(drop, "reason");
        table.add({{reason, Tone::kStrong},
                   {fmt::format("{}", packets), packets > 0 ? Tone::kWarning : Tone::kPlain},
                   {text(drop, "where")},
                   {shares(object(drop, "services")) + shares(object(drop, "ports"))}});
        sentences.add(reason, text(drop, "sentence"));
    }
    if (table.is_empty()) {
        return "Nothing was dropped.\n";
    }
    return table.render(look).append("\n").append(sentences.render(look));
}

Outcome<ExitCode> run_drops(const Context& context) {
    const std::string& service = context.command.target;
    const auto drops = context.daemon.get(
        service.empty() ? "/api/v1/drops" : "/api/v1/drops?service=" + percent_encode(service));
    if (!drops) {
        return Unexpected<Failure>{drops.error()};
    }
    if (context.is_json()) {
        context.out << drops->dump(2) << "\n";
    } else {
        context.out << drops_page(*drops, context.command.shows_all, context.out_look);
    }
    if (!flag(*drops, "engine_up")) {
        context.err << "No engine runs: these are the counts of the last one.\n";
    }
    return ExitCode::kDone;
}

}  // namespace fairlead::cli
