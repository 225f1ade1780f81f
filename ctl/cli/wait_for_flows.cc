// Waiting until servers may be switched off: out, and no flow is left; or forgotten.
#include <optional>

#include <fmt/format.h>

#include "ctl/cli/commands.h"
#include "ctl/cli/json_read.h"
#include "ctl/cli/units.h"
#include "ctl/cli/waiting.h"

namespace fairlead::cli {
namespace {

using nlohmann::json;

// That many counts one after the other without a flow: the workers count each for itself, so that
// in one alone a flow that moves from one to another may be missed.
constexpr std::uint64_t kEmptyCounts = 2;

// A count by every worker of one engine (ctl/daemon/flow_count.h).
struct Count {
    std::uint64_t engine_started_ns = 0;
    std::uint64_t number = 0;
};

// A server on its way out.
struct Leaving {
    Changed what;
    std::optional<Count> empty_since;  // no flow in any look from that count on
};

// What the looks at all of them have found.
struct Remaining {
    std::uint64_t flows = 0;
    std::string no_count;      // why flows are not counted; "": they are
    bool is_confirmed = true;  // no flow in as many counts as it takes
    bool is_being_removed = false;
    bool is_forgotten = false;
};

Unexpected<Failure> changed_meanwhile(const Leaving& leaving, const std::string& what) {
    return failure(ExitCode::kRefused,
                   fmt::format("{}: {} Do not switch {} off for this.",
                               name_of(leaving.what.backend),
                               what,
                               leaving.what.address));
}

// Whether somebody has changed it to something else than what is waited for.
Outcome<bool> still_leaves(const Leaving& leaving, const json& is, bool is_removal) {
    if (is_removal && flag(is, "removing")) {
        return true;  // another server of that name may be leaving as well
    }
    const std::string by = text(is, "address");
    if (by != leaving.what.address) {
        return changed_meanwhile(leaving,
                                 fmt::format("it was replaced meanwhile: the name is now that of "
                                             "the server {}, and flows of {} may go on.",
                                             by,
                                             leaving.what.address));
    }
    if (is_removal) {
        return changed_meanwhile(leaving, "it was added again meanwhile.");
    }
    if (flag(is, "removing")) {
        return changed_meanwhile(leaving,
                                 fmt::format("it was removed meanwhile; `lbctl backend remove {} "
                                             "--wait` waits until it is forgotten.",
                                             name_of(leaving.what.backend)));
    }
    if (text(is, "admin") != "drain" && text(is, "admin") != "maint") {
        return changed_meanwhile(leaving, "it was made ready meanwhile, and gets new flows.");
    }
    return true;
}

void count(const json& is, Leaving& leaving, Remaining& remaining) {
    const std::uint64_t flows = number(is, "active_flows");
    const json& counted = object(is, "flow_count");
    if (counted.empty()) {
        leaving.empty_since.reset();
        remaining.no_count = text(is, "flow_count_problem");
        remaining.is_confirmed = false;
        return;
    }
    remaining.flows += flows;
    const Count now{number(counted, "engine_started_ns"), number(counted, "number")};
    if (flows > 0) {
        leaving.empty_since.reset();
    } else if (!leaving.empty_since ||
               leaving.empty_since->engine_started_ns != now.engine_started_ns) {
        leaving.empty_since = now;
    }
    remaining.is_confirmed = remaining.is_confirmed && leaving.empty_since &&
                             now.number >= leaving.empty_since->number + kEmptyCounts;
}

// What is forgotten was without a flow, if flows are counted at all: where no engine runs, nobody
// knows what the next one takes over.
Outcome<bool> look_at_forgotten(const Context& context, Remaining& remaining) {
    const auto status = context.daemon.get("/api/v1/status");
    if (!status) {
        return Unexpected<Failure>{status.error()};
    }
    const json& engine = object(*status, "engine");
    if (!flag(engine, "up")) {
        remaining.no_count = "the engine is not running";
    } else if (!flag(engine, "counts_flows")) {
        remaining.no_count = "the engine has just started and not counted its flows yet";
    }
    return true;
}

Outcome<Remaining> look(const Context& context, std::vector<Leaving>& backends) {
    const bool is_removal = context.command.word == Word::kBackendRemove;
    Remaining remaining;
    for (Leaving& leaving : backends) {
        const auto is = ask_for(context, leaving.what.backend);
        if (!is && is.error().code == ExitCode::kNotFound) {
            if (!is_removal) {
                return changed_meanwhile(leaving, "it was removed meanwhile.");
            }
            remaining.is_forgotten = true;
            continue;
        }
        if (!is) {
            return Unexpected<Failure>{is.error()};
        }
        if (const auto leaves = still_leaves(leaving, *is, is_removal); !leaves) {
            return Unexpected<Failure>{leaves.error()};
        }
        count(*is, leaving, remaining);
        remaining.is_being_removed |= is_removal;
    }
    if (remaining.is_forgotten && remaining.no_count.empty()) {
        if (const auto looked = look_at_forgotten(context, remaining); !looked) {
            return Unexpected<Failure>{looked.error()};
        }
    }
    return remaining;
}

// "": they may be switched off.
std::string describe(const Remaining& remaining) {
    if (!remaining.no_count.empty()) {
        return "flows are not counted: " + remaining.no_count;
    }
    if (remaining.flows > 0) {
        return counted(remaining.flows, "flow") + " left";
    }
    if (remaining.is_being_removed) {
        return "no flow left, being forgotten";
    }
    return remaining.is_confirmed ? "" : "no flow left, until the workers have counted again";
}

}  // namespace

Outcome<ExitCode> wait_for_flows(const Context& context, const std::vector<Changed>& backends) {
    std::vector<Leaving> leaving;
    leaving.reserve(backends.size());
    for (const Changed& each : backends) {
        leaving.push_back({each, {}});
    }
    const auto waited = wait_until(
        context, context.command.for_flows(), [&context, &leaving]() -> Outcome<std::string> {
            const auto remaining = look(context, leaving);
            if (!remaining) {
                return Unexpected<Failure>{remaining.error()};
            }
            return describe(*remaining);
        });
    if (!waited) {
        return Unexpected<Failure>{waited.error()};
    }
    context.err << fmt::format("{}: no flow left after {}; safe to switch off.\n",
                               context.command.target,
                               duration(*waited));
    return ExitCode::kDone;
}

}  // namespace fairlead::cli
