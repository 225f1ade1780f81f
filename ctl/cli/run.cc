#include <optional>

#include <fmt/format.h>
#include <unistd.h>

#include "conf/schema/parse.h"
#include "ctl/cli/commands.h"

namespace fairlead::cli {
namespace {

Outcome<ExitCode> dispatch(const Context& context) {
    switch (context.command.word) {
        case Word::kStatus:
            return run_status(context);
        case Word::kServiceList:
            return run_service_list(context);
        case Word::kServiceShow:
            return run_service_show(context);
        case Word::kBackendList:
            return run_backend_list(context);
        case Word::kBackendShow:
            return run_backend_show(context);
        case Word::kBackendAdd:
            return run_backend_add(context);
        case Word::kBackendRemove:
        case Word::kBackendDrain:
        case Word::kBackendReady:
        case Word::kBackendMaint:
        case Word::kBackendWeight:
            return run_backend_change(context);
        case Word::kHealthList:
            return run_health_list(context);
        case Word::kDrops:
            return run_drops(context);
        case Word::kTrace:
            return run_trace(context);
        case Word::kCapture:
            return run_capture(context);
        case Word::kNodeStatus:
            return run_node_status(context);
        case Word::kNodeDrain:
        case Word::kNodeReady:
            return run_node_change(context);
        case Word::kConfigCheck:
            return run_config_check(context);
        case Word::kReload:
            return run_reload(context);
        case Word::kVersion:
            return run_version(context);
    }
    return failure(ExitCode::kUsage, "no such command");
}

// The socket that the configuration names, else the run directory's. The default configuration,
// which may be long, is looked at only if nothing was said of where lbd is and it is not where it
// mostly is; a file that cannot be read now is no reason to be unable to reach a daemon that runs
// with it.
Daemon::Where find_daemon(const Command& command, std::ostream& err) {
    Daemon::Where where{command.run_dir + "/lbd.sock",
                        command.run_dir,
                        command.config_path.empty() ? kDefaultConfig : command.config_path};
    const bool is_named = !command.config_path.empty();
    if (!is_named &&
        (command.run_dir != kDefaultRunDir || ::access(where.socket_path.c_str(), F_OK) == 0)) {
        return where;
    }
    const auto config = conf::load_config(where.config_path);
    if (config && !config->api.socket.empty()) {
        where.socket_path = config->api.socket;
    }
    if (!config && is_named) {
        err << fmt::format("lbctl: {} has errors (lbctl config check {}); trying {}\n",
                           where.config_path,
                           where.config_path,
                           where.socket_path);
    }
    return where;
}

// A full disk or a closed pipe must not look like success.
bool written(std::ostream& out, std::ostream& err) {
    out.flush();
    if (!out) {
        err << "lbctl: the output could not be written\n";
    }
    return static_cast<bool>(out);
}

// A --check promises its own numbers, whatever goes wrong.
int exit_number(const Command& command, ExitCode code) {
    if (command.is_check) {
        return static_cast<int>(CheckResult::kUnknown);
    }
    return static_cast<int>(code);
}

}  // namespace

std::string Context::self() const {
    std::string words = "lbctl";
    if (command.run_dir != kDefaultRunDir) {
        words += " --run-dir " + command.run_dir;
    }
    if (!command.config_path.empty()) {
        words += " --config " + command.config_path;
    }
    return words;
}

int run(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
    const auto parsed = parse_command_line(argc, argv);
    if (const auto* finished = std::get_if<Finished>(&parsed)) {
        out << finished->data;
        err << finished->commentary;
        return written(out, err) ? static_cast<int>(finished->code)
                                 : static_cast<int>(ExitCode::kFailed);
    }
    const auto& command = std::get<Command>(parsed);
    const bool is_local = command.word == Word::kConfigCheck || command.word == Word::kCapture;
    const Daemon daemon(is_local ? Daemon::Where{} : find_daemon(command, err));
    const Context context{
        command, daemon, out, err, look_of(1, command.color), look_of(2, command.color)};
    const auto outcome = dispatch(context);
    if (!outcome) {
        err << context.err_look.paint(Tone::kBad, "lbctl:") << " " << outcome.error().message
            << "\n";
        return exit_number(command, outcome.error().code);
    }
    if (!written(out, err)) {
        return exit_number(command, ExitCode::kFailed);
    }
    return static_cast<int>(*outcome);
}

}  // namespace fairlead::cli
