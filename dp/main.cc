// lbdp: reads the command line and the configuration, starts the engine, stops it by signal.
#include <csignal>
#include <cstdio>
#include <ctime>
#include <exception>
#include <string>

#include "conf/command_line/command_line.h"
#include "conf/schema/parse.h"
#include "dp/base/log.h"
#include "dp/engine/engine.h"
#include "dp/shm/missing_page.h"

namespace fairlead {
namespace {

engine::HugePageUse hugepages_of(conf::HugePages wanted) {
    switch (wanted) {
        case conf::HugePages::kAuto:
            return engine::HugePageUse::kAuto;
        case conf::HugePages::kRequired:
            return engine::HugePageUse::kRequired;
        case conf::HugePages::kNone:
            return engine::HugePageUse::kNone;
    }
    return engine::HugePageUse::kAuto;
}

engine::Options options_of(const conf::Config& config, const std::string& run_dir) {
    engine::Options options;
    options.run_dir = run_dir;
    options.version = FAIRLEAD_VERSION;
    options.cpus = config.engine.cpus;
    options.hugepages = hugepages_of(config.engine.hugepages);
    options.idle =
        config.engine.idle == conf::IdleMode::kYield ? engine::Idle::kYield : engine::Idle::kSpin;
    options.flows = config.engine.flows;
    for (const conf::PortConfig& port : config.ports) {
        options.ports.push_back({port.name, port.interface, port.vdev, port.mtu, port.vlan});
    }
    return options;
}

// SIGTERM and SIGINT, for sigtimedwait(): no handler runs, and every thread has them blocked.
// SIGHUP reloads the daemon; the engine has nothing to reload, and must not end by it.
sigset_t block_stop_signals() {
    std::signal(SIGHUP, SIG_IGN);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    return signals;
}

int run(const std::string& config_path, const std::string& run_dir) {
    const auto config = conf::load_config(config_path);
    if (!config) {
        std::fputs(conf::describe(config.error()).c_str(), stderr);
        return 1;
    }
    const sigset_t signals = block_stop_signals();
    auto started = engine::Engine::start(options_of(*config, run_dir));
    if (!started) {
        log_error("not-started", {{"reason", started.error().message}});
        return 1;
    }
    const Status ended = (*started)->run([&signals](std::chrono::milliseconds longest) {
        const timespec time{0, static_cast<long>(longest.count()) * 1'000'000};
        return ::sigtimedwait(&signals, nullptr, &time) > 0;
    });
    if (!ended) {
        log_error("stopped", {{"reason", ended.error().message}});
        return 1;
    }
    started->reset();
    log_info("stopped");
    return 0;
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
    try {
        std::string config = "/etc/fairlead/fairlead.toml";
        std::string run_dir = "/run/fairlead";
        fairlead::conf::CommandLine line(
            "lbdp",
            FAIRLEAD_VERSION,
            "Fairlead's engine: forwards the packets of virtual services.");
        line.add({"--config", "FILE", "the configuration, shared with lbd"}, config);
        line.add({"--run-dir", "DIR", "shared memory and sockets, shared with lbd"}, run_dir);
        if (const auto code = line.read(argc, argv)) {
            return *code;
        }
        fairlead::shm::survive_missing_pages();
        return fairlead::run(config, run_dir);
    } catch (const std::exception& error) {
        fairlead::log_error("failed", {{"reason", error.what()}});
        return 1;
    }
}
