#include "ctl/agent/agent.h"

#include <cerrno>
#include <csignal>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <net/if.h>
#include <sys/signalfd.h>

#include "bpf/loader/libbpf_log.h"
#include "ctl/agent/host_setup.h"
#include "ctl/agent/mss_clamp.h"
#include "ctl/agent/privilege.h"
#include "ctl/agent/run_lock.h"
#include "ctl/agent/tunnels.h"
#include "ctl/agent/watch.h"
#include "dp/base/error_text.h"
#include "dp/base/log.h"
#include "dp/base/notify.h"

namespace fairlead::agent {
namespace {

// The signals come by a descriptor instead of interrupting.
Result<int> take_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
        sigaddset(&signals, signal);
    }
    if (pthread_sigmask(SIG_BLOCK, &signals, nullptr) != 0) {
        return fail("cannot block signals");
    }
    const int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        return fail(fmt::format("cannot receive signals: {}", error_text(errno)));
    }
    return fd;
}

int failed(const std::string& reason) {
    log_error("failed", {{"reason", reason}});
    return 1;
}

// All that the settings want, in place of what an earlier run left. A first run that fails leaves
// nothing; one that takes over leaves what works.
Status set_up(const Settings& settings,
              HostSetup& host,
              unsigned interface_index,
              std::optional<Tunnels>& tunnels) {
    if (Status status = host.apply(settings); !status) {
        return status;
    }
    Status status;
    if (settings.takes_tunnels()) {
        const Result<std::vector<LocalAddress>> present = host.addresses();
        status = present ? host.prepare_pins() : fail(present.error().message);
        if (status) {
            Result<Tunnels> started = Tunnels::start(settings,
                                                     tunnel_endpoints(settings, *present),
                                                     interface_index,
                                                     host.pin_directory());
            if (started) {
                tunnels.emplace(std::move(*started));
            } else {
                status = fail(started.error().message);
            }
        }
    }
    if (status && host.is_taken_over()) {
        remove_other_tunnel_pins(tunnels ? settings.interface_name : "", host.pin_directory());
        remove_other_clamps(tunnels ? interface_index : 0);
    }
    if (!status && !host.is_taken_over()) {
        remove_other_tunnel_pins("", host.pin_directory());
        if (const Status undone = host.undo(); !undone) {
            log_error("undo-failed", {{"reason", undone.error().message}});
        }
    }
    return status;
}

}  // namespace

int run(const Settings& settings) {
    if (const Status status = check_privilege(); !status) {
        return failed(status.error().message);
    }
    const unsigned interface_index = if_nametoindex(settings.interface_name.c_str());
    if (interface_index == 0) {
        return failed(fmt::format("there is no interface {}; `ip link` lists those that are there",
                                  settings.interface_name));
    }
    send_libbpf_messages_to_log();
    const Result<RunLock> lock = RunLock::take(settings.run_dir);
    if (!lock) {
        return failed(lock.error().message);
    }
    const Result<int> signal_fd = take_signals();
    Result<HostEvents> events = HostEvents::open();
    Result<HostSetup> host = HostSetup::open(settings.run_dir);
    if (!signal_fd || !events || !host) {
        return failed(!signal_fd ? signal_fd.error().message
                      : !events  ? events.error().message
                                 : host.error().message);
    }
    std::optional<Tunnels> tunnels;
    if (const Status status = set_up(settings, *host, interface_index, tunnels); !status) {
        return failed(status.error().message);
    }
    notify_service_manager("READY=1");
    log_info("ready", {{"interface", settings.interface_name}, {"vips", settings.vips.size()}});
    const int exit_code = Watch(settings, *host, tunnels, interface_index).run(*signal_fd, *events);
    log_info("stopped",
             {{"kept", "VIPs, settings and programs; lbagent --remove takes them back"}});
    return exit_code;
}

int remove_setup(const std::filesystem::path& run_dir) {
    if (const Status status = check_privilege(); !status) {
        return failed(status.error().message);
    }
    const Result<RunLock> lock = RunLock::take(run_dir);
    if (!lock) {
        return failed(lock.error().message);
    }
    Result<HostSetup> host = HostSetup::open(run_dir);
    if (!host) {
        return failed(host.error().message);
    }
    remove_other_tunnel_pins("", host->pin_directory());
    remove_other_clamps(0);
    if (const Status status = host->undo(); !status) {
        return failed(status.error().message);
    }
    log_info("removed", {{"run_dir", run_dir.string()}});
    return 0;
}

}  // namespace fairlead::agent
