// lbagent: makes a host a backend that answers for VIPs, directly to the clients. Reads the command
// line; the work is in ctl/agent. Exit codes: 0 done, 1 failed, 2 wrong usage.
#include <cstdio>
#include <string>

#include "conf/command_line/command_line.h"
#include "ctl/agent/agent.h"
#include "ctl/agent/settings.h"

namespace {

constexpr int kUsage = 2;
constexpr const char* kExamples =
    "Forwarded by a tunnel:  lbagent --interface eth0 --vip 203.0.113.10 --balancer 10.0.1.2\n"
    "Forwarded by l2:        lbagent --interface eth0 --vip 203.0.113.10 --no-tunnel\n"
    "No backend any more:    lbagent --remove";

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
    fairlead::conf::CommandLine line("lbagent",
                                     FAIRLEAD_VERSION,
                                     "Puts VIPs on lo without announcing them, unpacks the "
                                     "balancers' tunnels, and keeps both so; "
                                     "after its end they stay, until --remove.",
                                     kExamples);
    line.add({"--interface", "NAME", "where the balancers' traffic arrives"},
             arguments.interface_name);
    line.add({"--vip", "ADDRESS", "an address to answer for; may be repeated"}, arguments.vips);
    line.add({"--balancer", "ADDRESS[/PREFIX]", "from where tunnels are taken; may be repeated"},
             arguments.balancers);
    line.add(
        "--no-tunnel", "take no tunnels: all services are forwarded by l2", arguments.no_tunnel);
    line.add({"--mss",
              "BYTES",
              "the largest segment that the tunnels carry, of IPv4; IPv6 gets 20 less. By default "
              "the interface's MTU less the largest tunnel header"},
             arguments.mss);
    line.add({"--run-dir", "DIR", "where the lock, the state and the programs' pins are kept"},
             run_dir);
    line.add("--remove", "take back all that lbagent has set up here, and end", is_removal);
    line.exclude("--remove", {"--interface", "--vip", "--balancer", "--no-tunnel", "--mss"});
    if (const auto code = line.read(argc, argv)) {
        return *code;
    }
    arguments.run_dir = run_dir;
    return is_removal ? fairlead::agent::remove_setup(run_dir) : start(arguments);
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
