#include "ctl/agent/agent.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <net/if.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bpf/loader/decap_loader.h"
#include "bpf/loader/libbpf_log.h"
#include "ctl/agent/drop_report.h"
#include "ctl/agent/host_setup.h"
#include "ctl/agent/local_addresses.h"
#include "ctl/agent/mss_clamp.h"
#include "ctl/agent/privilege.h"
#include "ctl/agent/run_lock.h"
#include "dp/base/error_text.h"
#include "dp/base/log.h"
#include "dp/base/notify.h"

namespace fairlead::agent {
namespace {

// How often the counters are looked at.
constexpr std::chrono::milliseconds kLookInterval{1000};

decap_address to_key(const IpAddress& address) {
    decap_address key{};
    key.family = address.is_v4() ? DECAP_IPV4 : DECAP_IPV6;
    const std::size_t skipped = address.is_v4() ? 12 : 0;
    std::memcpy(&key.bytes, address.bytes().data() + skipped, address.bytes().size() - skipped);
    return key;
}

std::string text_of(const decap_address& key) {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &key.bytes, bytes.size());
    if (key.family == DECAP_IPV6) {
        return IpAddress::from_v6(bytes).text().data();
    }
    std::uint32_t raw = 0;
    std::memcpy(&raw, bytes.data(), sizeof raw);
    return IpAddress::from_v4(Be32::from_raw(raw)).text().data();
}

std::vector<decap_address> to_keys(const std::vector<IpAddress>& addresses) {
    std::vector<decap_address> keys;
    keys.reserve(addresses.size());
    for (const IpAddress& address : addresses) {
        keys.push_back(to_key(address));
    }
    return keys;
}

Result<DecapLoader> start_decap(const Settings& settings,
                                const HostSetup& host,
                                unsigned interface_index) {
    const Result<std::vector<IpAddress>> endpoints = host.tunnel_endpoints(settings);
    if (!endpoints) {
        return fail(endpoints.error().message);
    }
    DecapTables tables;
    tables.vips = to_keys(settings.vips);
    tables.endpoints = to_keys(*endpoints);
    for (const AddressPrefix& balancer : settings.balancers) {
        tables.balancers.push_back(
            {DECAP_FAMILY_BITS + balancer.prefix_bits, to_key(balancer.address)});
    }
    Result<DecapLoader> loader = DecapLoader::load(tables);
    if (!loader) {
        return loader;
    }
    const Result<DecapLoader::Mode> mode = loader->attach(interface_index, settings.interface_name);
    if (!mode) {
        return Unexpected{mode.error()};
    }
    log_info("tunnels-accepted",
             {{"interface", settings.interface_name},
              {"mode", *mode == DecapLoader::Mode::kNative ? "native" : "generic"},
              {"balancers", settings.balancers.size()},
              {"endpoints", endpoints->size()}});
    return loader;
}

// What a backend that takes tunnels keeps attached.
struct Tunnels {
    DecapLoader decap;
    MssClamp clamp;
};

Result<Tunnels> start_tunnels(const Settings& settings,
                              const HostSetup& host,
                              unsigned interface_index) {
    Result<DecapLoader> decap = start_decap(settings, host, interface_index);
    if (!decap) {
        return fail(decap.error().message);
    }
    Result<MssClamp> clamp = MssClamp::start(settings, interface_index, to_keys(settings.vips));
    if (!clamp) {
        return fail(clamp.error().message);
    }
    return Tunnels{std::move(*decap), std::move(*clamp)};
}

// The program between its setup and its end.
class Running {
  public:
    Running(const Settings& settings,
            HostSetup& host,
            std::optional<Tunnels>& tunnels,
            unsigned interface_index)
        : settings_(settings), host_(host), tunnels_(tunnels), interface_index_(interface_index) {}

    // Returns the exit code.
    int loop(int signal_fd, AddressEvents& events);

  private:
    [[nodiscard]] bool interface_is_there() const {
        std::array<char, IF_NAMESIZE> name{};
        return if_indextoname(interface_index_, name.data()) != nullptr;
    }
    void follow_addresses();
    void report_drops();
    void log_counters() const;

    const Settings& settings_;
    HostSetup& host_;
    std::optional<Tunnels>& tunnels_;
    unsigned interface_index_;
    DropReport drops_;
};

int Running::loop(int signal_fd, AddressEvents& events) {
    std::array<pollfd, 2> sources = {pollfd{signal_fd, POLLIN, 0}, pollfd{events.fd(), POLLIN, 0}};
    const int timeout_ms = tunnels_ ? static_cast<int>(kLookInterval.count()) : -1;
    while (true) {
        if (poll(sources.data(), sources.size(), timeout_ms) < 0 && errno != EINTR) {
            log_error("poll-failed", {{"reason", error_text(errno)}});
            return 1;
        }
        signalfd_siginfo signal{};
        if (read(signal_fd, &signal, sizeof signal) == sizeof signal) {
            if (signal.ssi_signo != SIGUSR1) {
                notify_service_manager("STOPPING=1");
                log_info("stopping",
                         {{"signal", sigabbrev_np(static_cast<int>(signal.ssi_signo))}});
                log_counters();
                return 0;
            }
            log_counters();
        }
        if ((sources[1].revents & (POLLIN | POLLERR)) != 0) {
            events.drain();
            if (!interface_is_there()) {
                log_error("interface-gone", {{"interface", settings_.interface_name}});
                return 1;
            }
            follow_addresses();
        }
        report_drops();
    }
}

void Running::follow_addresses() {
    if (const Status status = host_.restore_missing_vips(settings_); !status) {
        log_error("vip-not-restored", {{"reason", status.error().message}});
    }
    if (!tunnels_) {
        return;
    }
    if (const Status status = tunnels_->clamp.follow_mtu(); !status) {
        log_error("mss-limit-not-updated", {{"reason", status.error().message}});
    }
    const Result<std::vector<IpAddress>> endpoints = host_.tunnel_endpoints(settings_);
    const Status status = endpoints ? tunnels_->decap.set_endpoints(to_keys(*endpoints))
                                    : fail(endpoints.error().message);
    if (!status) {
        log_error("endpoints-not-updated", {{"reason", status.error().message}});
    }
}

void Running::report_drops() {
    const Result<DecapCounters> counters =
        tunnels_ ? tunnels_->decap.counters() : fail("no program");
    if (!counters) {
        return;
    }
    for (const DropReport::Line& line : drops_.observe(*counters, DropReport::Clock::now())) {
        const DecapOutcomeText text = decap_outcome_text(line.reason);
        if (const auto source = tunnels_->decap.refused_source();
            line.reason == DECAP_SOURCE_NOT_ALLOWED && source) {
            log_warning("tunnel-dropped",
                        {{"reason", text.name},
                         {"packets", line.packets},
                         {"total", line.total},
                         {"last_source", text_of(*source)},
                         {"meaning", text.meaning}});
            continue;
        }
        log_warning("tunnel-dropped",
                    {{"reason", text.name},
                     {"packets", line.packets},
                     {"total", line.total},
                     {"meaning", text.meaning}});
    }
}

void Running::log_counters() const {
    const Result<DecapCounters> counters =
        tunnels_ ? tunnels_->decap.counters() : fail("no program");
    if (!counters) {
        return;
    }
    for (std::size_t index = 0; index < counters->size(); ++index) {
        log_info("tunnel-packets",
                 {{"outcome", decap_outcome_text(static_cast<decap_outcome>(index)).name},
                  {"packets", counters->at(index)}});
    }
    tunnels_->clamp.log_counters();
}

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
    Result<AddressEvents> events = AddressEvents::open();
    Result<HostSetup> host = HostSetup::open(settings.run_dir);
    if (!signal_fd || !events || !host) {
        return failed(!signal_fd ? signal_fd.error().message
                      : !events  ? events.error().message
                                 : host.error().message);
    }
    if (const Status status = host->apply(settings); !status) {
        return failed(status.error().message);
    }
    std::optional<Tunnels> tunnels;
    int exit_code = 0;
    if (settings.takes_tunnels()) {
        Result<Tunnels> started = start_tunnels(settings, *host, interface_index);
        if (started) {
            tunnels.emplace(std::move(*started));
        } else {
            exit_code = failed(started.error().message);
        }
    }
    if (exit_code == 0) {
        notify_service_manager("READY=1");
        log_info("ready", {{"interface", settings.interface_name}, {"vips", settings.vips.size()}});
        exit_code = Running(settings, *host, tunnels, interface_index).loop(*signal_fd, *events);
    }
    tunnels.reset();
    if (const Status status = host->undo(); !status) {
        return failed(status.error().message);
    }
    log_info("stopped");
    return exit_code;
}

int remove_leftovers(const std::filesystem::path& run_dir) {
    if (const Status status = check_privilege(); !status) {
        return failed(status.error().message);
    }
    const Result<RunLock> lock = RunLock::take(run_dir);
    if (!lock) {
        return failed(lock.error().message);
    }
    remove_clamps();
    Result<HostSetup> host = HostSetup::open(run_dir);
    if (!host) {
        return failed(host.error().message);
    }
    if (const Status status = host->undo(); !status) {
        return failed(status.error().message);
    }
    log_info("removed", {{"run_dir", run_dir.string()}});
    return 0;
}

}  // namespace fairlead::agent
