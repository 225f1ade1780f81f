#include "ctl/agent/watch.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fmt/format.h>
#include <net/if.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "dp/base/error_text.h"
#include "dp/base/log.h"
#include "dp/base/notify.h"

namespace fairlead::agent {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLookInterval{1000};
constexpr milliseconds kShortest{100};

// The service manager wants to hear of the program twice in its interval.
milliseconds look_interval() {
    const auto watchdog = watchdog_interval();
    if (!watchdog) {
        return kLookInterval;
    }
    return std::clamp(
        std::chrono::duration_cast<milliseconds>(*watchdog / 2), kShortest, kLookInterval);
}

}  // namespace

int Watch::run(int signal_fd, HostEvents& events) {
    std::array<pollfd, 2> sources = {pollfd{signal_fd, POLLIN, 0}, pollfd{events.fd(), POLLIN, 0}};
    const milliseconds interval = look_interval();
    Clock::time_point next_look = Clock::now();
    Clock::time_point last_look{};
    while (true) {
        const auto left = std::chrono::ceil<milliseconds>(next_look - Clock::now()).count();
        if (poll(sources.data(),
                 sources.size(),
                 static_cast<int>(std::clamp<std::int64_t>(left, 0, interval.count()))) < 0 &&
            errno != EINTR) {
            log_error("poll-failed", {{"reason", error_text(errno)}});
            return 1;
        }
        if (!goes_on_after_signal(signal_fd)) {
            return 0;
        }
        if ((sources[1].revents & (POLLIN | POLLERR)) != 0) {
            events.drain();
            has_news_ = true;
            next_look = std::min(next_look, last_look + kShortest);
        }
        if (Clock::now() >= next_look) {
            last_look = Clock::now();
            next_look = last_look + interval;
            look();
            notify_service_manager("WATCHDOG=1");
        }
    }
}

bool Watch::goes_on_after_signal(int signal_fd) {
    signalfd_siginfo signal{};
    if (read(signal_fd, &signal, sizeof signal) != sizeof signal) {
        return true;
    }
    if (tunnels_) {
        tunnels_->log_counters();
    }
    if (signal.ssi_signo == SIGUSR1) {
        return true;
    }
    notify_service_manager("STOPPING=1");
    log_info("stopping", {{"signal", sigabbrev_np(static_cast<int>(signal.ssi_signo))}});
    return false;
}

void Watch::look() {
    if (follow_interface()) {
        mend_sysctls();
        if (has_news_) {
            follow_addresses();
        }
        if (tunnels_) {
            tunnels_->mend(report_);
        }
    }
    if (tunnels_) {
        tunnels_->report_drops();
    }
    log_report();
}

bool Watch::follow_interface() {
    const unsigned index = if_nametoindex(settings_.interface_name.c_str());
    if (index == 0) {
        report_.problem("interface",
                        fmt::format("there is no {} any more; it is set up again when it comes",
                                    settings_.interface_name));
        return false;
    }
    report_.no_problem("interface");
    if (index != interface_index_) {
        log_info("interface-came", {{"interface", settings_.interface_name}, {"index", index}});
        interface_index_ = index;
        host_.forget_interface(settings_.interface_name);
        tunnels_.reset();
        if (settings_.takes_tunnels()) {
            remove_other_clamps(index);
        }
        has_news_ = true;
    }
    return true;
}

void Watch::follow_addresses() {
    const Result<std::vector<LocalAddress>> present = host_.addresses();
    if (!present) {
        tell("addresses", fail(present.error().message));
        return;
    }
    // What fails below is tried again at the next look.
    has_news_ = false;
    tell_mended("addresses", host_.mend_vips(settings_, *present));
    Result<std::vector<TunnelDevice>> devices = host_.kernel_tunnels(settings_, *present);
    tell("tunnel devices", devices ? Status{} : fail(devices.error().message));
    if (devices && *devices != kernel_tunnels_) {
        kernel_tunnels_ = std::move(*devices);
        mend_sysctls();
    }
    if (!settings_.takes_tunnels()) {
        return;
    }
    if (!tunnels_) {
        start_tunnels(*present);
        return;
    }
    tell("mss limit", tunnels_->follow_mtu());
    tell("tunnel endpoints", tunnels_->set_endpoints(tunnel_endpoints(settings_, *present)));
}

void Watch::start_tunnels(const std::vector<LocalAddress>& present) {
    Result<Tunnels> started = Tunnels::start(
        settings_, tunnel_endpoints(settings_, present), interface_index_, host_.pin_directory());
    if (started) {
        tunnels_.emplace(std::move(*started));
    }
    tell("tunnels", started ? Status{} : fail(started.error().message));
}

void Watch::mend_sysctls() {
    tell_mended("settings", host_.mend_sysctls(settings_, kernel_tunnels_));
    const std::vector<std::string> silent = silent_tunnels(
        kernel_tunnels_, [this](const std::string& name) { return host_.sysctls().read(name); });
    if (silent.empty()) {
        report_.no_problem("kernel tunnels");
    } else {
        report_.problem("kernel tunnels",
                        fmt::format("{}", fmt::join(silent, "; ")),
                        WatchReport::Level::kWarning);
    }
}

void Watch::tell_mended(const std::string& what, const Result<std::vector<Mended>>& mended) {
    if (!mended) {
        tell(what, fail(mended.error().message));
        return;
    }
    report_.no_problem(what);
    for (const Mended& change : *mended) {
        report_.mended(change.what, change.detail);
    }
}

void Watch::tell(const std::string& what, const Status& status) {
    if (status) {
        report_.no_problem(what);
        return;
    }
    report_.problem(what, status.error().message);
    has_news_ = true;
}

void Watch::log_report() {
    for (const WatchReport::Line& line : report_.lines(Clock::now())) {
        switch (line.kind) {
            case WatchReport::Kind::kMended:
                log_warning("set-again",
                            {{"what", line.what},
                             {"how", line.detail},
                             {"times", line.times},
                             {"total", line.total}});
                break;
            case WatchReport::Kind::kWarning:
                log_warning("problem", {{"what", line.what}, {"reason", line.detail}});
                break;
            case WatchReport::Kind::kError:
                log_error("problem", {{"what", line.what}, {"reason", line.detail}});
                break;
            case WatchReport::Kind::kOver:
                log_info("problem-over", {{"what", line.what}, {"reason", line.detail}});
                break;
        }
    }
}

}  // namespace fairlead::agent
