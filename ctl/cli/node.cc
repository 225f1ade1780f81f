// node status, drain and ready.
#include <fmt/format.h>

#include "ctl/cli/commands.h"
#include "ctl/cli/json_read.h"
#include "ctl/cli/pages.h"

namespace fairlead::cli {
namespace {

using nlohmann::json;

std::string reasons_of(const json& node) {
    std::string line;
    for (const json& reason : array(node, "unfit")) {
        if (reason.is_string()) {
            line += (line.empty() ? "" : "; ") + reason.get<std::string>();
        }
    }
    return line;
}

// keepalived's script and its like know 0 and not 0, so there is no warning between them.
Outcome<ExitCode> check(const Context& context, const Outcome<json>& node) {
    if (!node) {
        const std::string& why = node.error().message;
        context.out << "UNKNOWN: " << why.substr(0, why.find('\n')) << "\n";
        return static_cast<ExitCode>(CheckResult::kUnknown);
    }
    if (!flag(*node, "fit")) {
        context.out << "UNFIT: " << reasons_of(*node) << "\n";
        return static_cast<ExitCode>(CheckResult::kCritical);
    }
    context.out << "FIT: " << text(*node, "name") << " forwards\n";
    return static_cast<ExitCode>(CheckResult::kOk);
}

std::string page(const json& node, const Look& look) {
    Facts facts;
    facts.add("Node", look.paint(Tone::kStrong, text(node, "name")));
    facts.add("Wanted", text(node, "admin"));
    facts.add("Clients",
              flag(node, "fit")
                  ? look.paint(Tone::kGood, "may come")
                  : look.paint(Tone::kBad, "should go elsewhere: ") + reasons_of(node));
    return facts.render(look);
}

}  // namespace

Outcome<ExitCode> run_node_status(const Context& context) {
    const auto node = context.daemon.get("/api/v1/node");
    if (context.command.is_check) {
        return check(context, node);
    }
    if (!node) {
        return Unexpected<Failure>{node.error()};
    }
    context.out << (context.is_json() ? json_text(*node, 2) + "\n" : page(*node, context.out_look));
    return ExitCode::kDone;
}

Outcome<ExitCode> run_node_change(const Context& context) {
    const bool drains = context.command.word == Word::kNodeDrain;
    const json body = {{"admin", drains ? "drain" : "ready"}, {"reason", context.command.reason}};
    const auto answer = context.daemon.change(
        {.method = "PATCH", .target = "/api/v1/node", .body = json_text(body, -1)});
    if (!answer) {
        return Unexpected<Failure>{answer.error()};
    }
    if (context.is_json()) {
        context.out << json_text(*answer, 2) << "\n";
    }
    const std::string name = text(object(*answer, "node"), "name");
    if (!flag(*answer, "changed")) {
        context.err << fmt::format("{} is {} already.\n", name, drains ? "drained" : "ready");
        return ExitCode::kDone;
    }
    context.err << (drains
                        ? fmt::format("{} is drained: `{} node status --check` says 2 from now on, "
                                      "also after a restart. What is there is forwarded on.\n"
                                      "Undo: {} node ready\n",
                                      name,
                                      context.self(),
                                      context.self())
                        : fmt::format("{} is ready.\nUndo: {} node drain\n", name, context.self()));
    return ExitCode::kDone;
}

}  // namespace fairlead::cli
