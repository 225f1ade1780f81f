// lbagent: makes a host a backend that answers for VIPs, directly to the clients. Reads the command
// line; the work is in ctl/agent. Exit codes: 0 done, 1 failed, 2 wrong usage.
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>

#include "ctl/agent/agent.h"
#include "ctl/agent/settings.h"

namespace {

constexpr int kUsage = 2;
constexpr const char* kExamples =
    "Forwarded by a tunnel:  lbagent --interface eth0 --vip 203.0.113.10 --balancer 10.0.1.2\n"
    "Forwarded by l2:        lbagent --interface eth0 --vip 203.0.113.10 --no-tunnel\n"
    "After a kill -9:        lbagent --remove";

int start(const fairlead::agent::Arguments& arguments) {
    const auto settings = fairlead::agent::check(arguments);
    if (!settings) {
        for (const fairlead::Error& error : settings.error()) {
            std::fprintf(stderr, "lbagent: %s\n", error.message.c_str());
        }
        return kUsage;
    }
    return fairlead::agent::run(*settings);
}

int parse_and_start(int argc, char** argv) {
    fairlead::agent::Arguments arguments;
    std::string run_dir = "/run/fairlead";
    bool is_removal = false;
    CLI::App app(
        "Puts VIPs on lo without announcing them, and unpacks the balancers' tunnels; on "
        "SIGTERM everything is as it was before.",
        "lbagent");
    app.footer(kExamples);
    app.set_version_flag("--version", FAIRLEAD_VERSION);
    app.add_option("--interface", arguments.interface_name, "where the balancers' traffic arrives")
        ->type_name("NAME");
    app.add_option("--vip", arguments.vips, "an address to answer for; may be repeated")
        ->type_name("ADDRESS");
    app.add_option(
           "--balancer", arguments.balancers, "from where tunnels are taken; may be repeated")
        ->type_name("ADDRESS[/PREFIX]");
    app.add_flag(
        "--no-tunnel", arguments.no_tunnel, "take no tunnels: all services are forwarded by l2");
    app.add_option("--mss",
                   arguments.mss,
                   "the largest segment that the tunnels carry, of IPv4; IPv6 gets 20 less. By "
                   "default the interface's MTU less the largest tunnel header")
        ->type_name("BYTES");
    app.add_option("--run-dir", run_dir, "where the lock and the state are kept")
        ->type_name("DIR")
        ->capture_default_str();
    auto* removal =
        app.add_flag("--remove", is_removal, "take back what a killed lbagent left, and end");
    for (const char* other : {"--interface", "--vip", "--balancer", "--no-tunnel", "--mss"}) {
        removal->excludes(other);
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kUsage;
    }
    arguments.run_dir = run_dir;
    return is_removal ? fairlead::agent::remove_leftovers(run_dir) : start(arguments);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return parse_and_start(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "lbagent: %s\n", error.what());
        return 1;
    }
}
