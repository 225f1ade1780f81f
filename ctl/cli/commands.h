// What each word of lbctl does, given a parsed command line.
//
// Data goes to `out`, all talk to `err`. A Failure is printed by run(), once.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "ctl/cli/command_line.h"
#include "ctl/cli/daemon.h"
#include "ctl/cli/exit_code.h"
#include "ctl/cli/terminal.h"

namespace fairlead::cli {

struct Context {
    const Command& command;
    const Daemon& daemon;
    std::ostream& out;
    std::ostream& err;
    Look out_look;
    Look err_look;

    [[nodiscard]] bool is_json() const { return command.format == Format::kJson; }
    // "lbctl", or "lbctl --run-dir DIR": what a command that is shown begins with, so that it works
    // as pasted.
    [[nodiscard]] std::string self() const;
};

[[nodiscard]] Outcome<ExitCode> run_status(const Context& context);
[[nodiscard]] Outcome<ExitCode> run_service_list(const Context& context);
[[nodiscard]] Outcome<ExitCode> run_service_show(const Context& context);
[[nodiscard]] Outcome<ExitCode> run_backend_list(const Context& context);
[[nodiscard]] Outcome<ExitCode> run_backend_show(const Context& context);
[[nodiscard]] Outcome<ExitCode> run_backend_add(const Context& context);
// remove, drain, ready, maint, weight; of one backend or of all of a service.
[[nodiscard]] Outcome<ExitCode> run_backend_change(const Context& context);
[[nodiscard]] Outcome<ExitCode> run_health_list(const Context& context);
[[nodiscard]] Outcome<ExitCode> run_drops(const Context& context);
[[nodiscard]] Outcome<ExitCode> run_trace(const Context& context);
[[nodiscard]] Outcome<ExitCode> run_capture(const Context& context);
// status, drain, ready of this balancer.
[[nodiscard]] Outcome<ExitCode> run_node_status(const Context& context);
[[nodiscard]] Outcome<ExitCode> run_node_change(const Context& context);
[[nodiscard]] Outcome<ExitCode> run_config_check(const Context& context);
[[nodiscard]] Outcome<ExitCode> run_reload(const Context& context);
[[nodiscard]] Outcome<ExitCode> run_version(const Context& context);

// A backend that was changed, and the server that it was then.
struct Changed {
    Selection backend;
    std::string address;
};

// Return kDone only when every server may be switched off (out, and without a flow, or forgotten if
// it was removed); or when every one serves. Progress goes to `err`. kRefused: somebody has changed
// one of them to something else meanwhile; kTimedOut: at the command's deadline, with what is
// missing.
[[nodiscard]] Outcome<ExitCode> wait_for_flows(const Context& context,
                                               const std::vector<Changed>& backends);
[[nodiscard]] Outcome<ExitCode> wait_for_serving(const Context& context,
                                                 const std::vector<Changed>& backends);

// The whole of lbctl but its main(): the process's exit code.
[[nodiscard]] int run(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace fairlead::cli
