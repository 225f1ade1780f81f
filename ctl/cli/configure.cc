// config check and reload.
#include <fmt/format.h>

#include "conf/schema/parse.h"
#include "ctl/cli/commands.h"
#include "ctl/cli/json_read.h"
#include "ctl/cli/units.h"

namespace fairlead::cli {
namespace {

using nlohmann::json;

json as_json(const conf::ConfigErrors& errors) {
    json list = json::array();
    for (const conf::ConfigError& error : errors) {
        list.push_back({{"file", error.file},
                        {"line", error.line},
                        {"column", error.column},
                        {"message", error.message},
                        {"source_line", error.source_line}});
    }
    return list;
}

}  // namespace

// The errors are what was asked for, so they are data: in JSON on stdout, for people on stderr like
// a compiler's, which is where editors look for them.
Outcome<ExitCode> run_config_check(const Context& context) {
    const Command& command = context.command;
    const std::string file = !command.target.empty()       ? command.target
                             : command.config_path.empty() ? kDefaultConfig
                                                           : command.config_path;
    const auto config = conf::load_config(file);
    if (context.is_json()) {
        const json errors = config ? json::array() : as_json(config.error());
        context.out << json_text({{"file", file}, {"ok", config.has_value()}, {"errors", errors}},
                                 2)
                    << "\n";
        return config ? ExitCode::kDone : ExitCode::kFailed;
    }
    if (!config) {
        context.err << conf::describe(config.error())
                    << fmt::format("{}: {}\n", file, counted(config.error().size(), "error"));
        return ExitCode::kFailed;
    }
    std::size_t backends = 0;
    for (const conf::ServiceConfig& service : config->services) {
        backends += service.backends.size();
    }
    context.out << fmt::format("{}: ok, {}, {}, {}\n",
                               file,
                               counted(config->services.size(), "service"),
                               counted(backends, "backend"),
                               counted(config->ports.size(), "port"));
    return ExitCode::kDone;
}

Outcome<ExitCode> run_reload(const Context& context) {
    const Command& command = context.command;
    const HttpRequest request{
        .method = "POST", .target = "/api/v1/reload" + command.query(), .body = {}};
    const auto answer = context.daemon.change(
        request, command.waits ? command.for_workers() : std::chrono::milliseconds{0});
    if (!answer) {
        return Unexpected<Failure>{answer.error()};
    }
    if (context.is_json()) {
        context.out << json_text(*answer, 2) << "\n";
    }
    const std::uint64_t generation = number(*answer, "generation");
    const json& summary = array(*answer, "summary");
    for (const json& line : summary) {
        context.err << "  " << (line.is_string() ? line.get<std::string>() : json_text(line, -1))
                    << "\n";
    }
    if (!flag(*answer, "changed")) {
        context.err << (summary.empty()
                            ? fmt::format(
                                  "The file says what is in force already, generation {}.\n",
                                  generation)
                            : fmt::format(
                                  "Nothing else has changed: generation {} stays in force.\n",
                                  generation));
        return ExitCode::kDone;
    }
    context.err << fmt::format("In force as generation {}{}.\n",
                               generation,
                               command.waits ? ", acknowledged by every worker" : "");
    return ExitCode::kDone;
}

}  // namespace fairlead::cli
