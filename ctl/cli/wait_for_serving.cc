// Waiting until servers that were made ready, or added, get new connections.
#include <fmt/format.h>

#include "ctl/cli/commands.h"
#include "ctl/cli/json_read.h"
#include "ctl/cli/units.h"
#include "ctl/cli/waiting.h"

namespace fairlead::cli {
namespace {

using nlohmann::json;

Unexpected<Failure> will_not_serve(const Changed& changed, const std::string& why) {
    return failure(ExitCode::kRefused, fmt::format("{}: {}", name_of(changed.backend), why));
}

// Whether it still is what was made ready.
Outcome<bool> still_ready(const Context& context, const Changed& changed, const json& is) {
    if (flag(is, "removing")) {
        return will_not_serve(changed, "it was removed meanwhile.");
    }
    if (const std::string address = text(is, "address"); address != changed.address) {
        return will_not_serve(
            changed,
            fmt::format("it was replaced meanwhile: the name is now that of the server {}.",
                        address));
    }
    if (const std::string admin = text(is, "admin"); admin != "ready") {
        return will_not_serve(changed,
                              fmt::format("it is in {} and gets no new flows; to have it serve: "
                                          "{} backend ready {}",
                                          admin,
                                          context.self(),
                                          name_of(changed.backend)));
    }
    return true;
}

// "": it serves.
std::string missing(const Changed& changed, const json& is) {
    const std::string effective = text(is, "effective");
    const bool has_link = !object(is, "link").empty();
    if ((effective == "serving" || effective == "slow-start") && has_link) {
        return "";
    }
    std::string why = text(is, "why");
    if (why.empty()) {
        why = has_link ? "lbd does not say why" : "its MAC address is not known yet";
    }
    return fmt::format("{} is {}{} ({})",
                       name_of(changed.backend),
                       effective,
                       has_link ? "" : ", without a link",
                       why);
}

Outcome<std::string> look(const Context& context, const std::vector<Changed>& backends) {
    std::string first;
    std::size_t others = 0;
    for (const Changed& changed : backends) {
        const auto is = ask_for(context, changed.backend);
        if (!is && is.error().code == ExitCode::kNotFound) {
            return will_not_serve(changed, "it was removed meanwhile.");
        }
        if (!is) {
            return Unexpected<Failure>{is.error()};
        }
        if (const auto ready = still_ready(context, changed, *is); !ready) {
            return Unexpected<Failure>{ready.error()};
        }
        if (std::string lacks = missing(changed, *is); !lacks.empty()) {
            others += first.empty() ? 0U : 1U;
            first = first.empty() ? std::move(lacks) : first;
        }
    }
    return others == 0 ? first : fmt::format("{}, and {} more", first, others);
}

}  // namespace

Outcome<ExitCode> wait_for_serving(const Context& context, const std::vector<Changed>& backends) {
    const auto waited = wait_until(context, context.command.for_workers(), [&context, &backends] {
        return look(context, backends);
    });
    if (!waited) {
        return Unexpected<Failure>{waited.error()};
    }
    context.err << fmt::format(
        "{}: serving, after {}.\n", context.command.target, duration(*waited));
    return ExitCode::kDone;
}

}  // namespace fairlead::cli
