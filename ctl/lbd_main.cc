// lbd: the daemon. Reads the command line, wires the parts together, and runs the loop.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <sys/resource.h>

#include "conf/command_line/command_line.h"
#include "ctl/api/listener.h"
#include "ctl/api/routes.h"
#include "ctl/daemon/daemon.h"
#include "ctl/loop/main_loop.h"
#include "ctl/loop/timer.h"
#include "ctl/metrics/exporter.h"
#include "dp/base/log.h"
#include "dp/base/notify.h"
#include "dp/shm/missing_page.h"

namespace fairlead {
namespace {

// A check under way is a descriptor, and of thousands of backends many are at once; a shell usually
// gives 1,024 where many more are allowed.
void take_all_descriptors() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)::setrlimit(RLIMIT_NOFILE, &limit);  // refused: as many as there are
    }
}

constexpr std::chrono::seconds kListenAgain{5};

class Program {
  public:
    explicit Program(daemon::Options options) : options_(std::move(options)) {}

    int run() {
        // First: they wait until the loop runs, and SIGHUP must not end what has just begun.
        loop_.on_signals({SIGTERM, SIGINT, SIGHUP}, [this](int signal) { on_signal(signal); });
        auto opened = daemon::Daemon::open(loop_.context(), options_);
        if (!opened) {
            return refuse_to_start(opened.error().message);
        }
        daemon_ = std::move(*opened);
        exporter_.emplace(*daemon_);
        handler_ = std::make_shared<const api::Handler>(
            api::make_handler(*daemon_, turns_, [this](std::string_view accept) {
                const metrics::Format format = metrics::format_for(accept);
                return api::Response{
                    200, exporter_->render(format), std::string(metrics::content_type_of(format))};
            }));
        daemon_->start([this] { begin_to_answer(); });
        loop_.run();
        return exit_code_;
    }

  private:
    int refuse_to_start(const std::string& message) {
        std::fprintf(stderr, "lbd: %s\n", message.c_str());
        exit_code_ = 1;
        return exit_code_;
    }

    void begin_to_answer() {
        const conf::ApiConfig& config = daemon_->model().config().api;
        const std::string socket =
            config.socket.empty() ? options_.run_dir + "/lbd.sock" : config.socket;
        auto unix_listener = api::Listener::listen_unix(loop_.context(), socket, handler_);
        if (!unix_listener) {
            refuse_to_start(unix_listener.error().message);
            stop();
            return;
        }
        unix_listener_.emplace(std::move(*unix_listener));
        listen_by_tcp();
        log_info("ready",
                 {{"version", options_.version},
                  {"socket", socket},
                  {"listen", config.listen},
                  {"generation", daemon_->publisher().generation()}});
        notify_service_manager("READY=1");
    }

    // A port that is taken is no reason to end where tables are in force: it is a problem, and
    // tried again.
    void listen_by_tcp() {
        const std::string& listen = daemon_->model().config().api.listen;
        if (listen.empty()) {
            return;
        }
        auto tcp_listener = api::Listener::listen_tcp(
            loop_.context(),
            listen,
            std::make_shared<const api::Handler>(api::make_tcp_handler(handler_)));
        if (!tcp_listener) {
            daemon_->tell_listen_problem(tcp_listener.error().message);
            listen_timer_.after(kListenAgain, [this] { listen_by_tcp(); });
            return;
        }
        tcp_listener_.emplace(std::move(*tcp_listener));
        daemon_->tell_listen_problem("");
    }

    void on_signal(int signal) {
        if (signal == SIGHUP) {
            // The outcome is in the log and in `lbctl status`.
            daemon_->reload({"SIGHUP", ""}, [](const auto&) {});
            return;
        }
        log_info("stopping", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
        stop();
    }

    // Tables and routes stay: the engine goes on.
    void stop() {
        notify_service_manager("STOPPING=1");
        listen_timer_.cancel();
        if (unix_listener_) {
            unix_listener_->close();
        }
        if (tcp_listener_) {
            tcp_listener_->close();
        }
        daemon_->stop();
        loop_.stop();
    }

    daemon::Options options_;
    // The loop outlives, and so is destroyed after, whatever hangs on it.
    loop::MainLoop loop_;
    api::Turns turns_{loop_.context()};
    std::unique_ptr<daemon::Daemon> daemon_;
    std::optional<metrics::Exporter> exporter_;
    std::shared_ptr<const api::Handler> handler_;
    std::optional<api::Listener> unix_listener_;
    std::optional<api::Listener> tcp_listener_;
    loop::Timer listen_timer_{loop_.context()};
    int exit_code_ = 0;
};

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
    try {
        fairlead::daemon::Options options{
            "/etc/fairlead/fairlead.toml", "/run/fairlead", "/var/lib/fairlead", FAIRLEAD_VERSION};
        fairlead::conf::CommandLine line(
            "lbd",
            FAIRLEAD_VERSION,
            "Keeps the engine's tables: configuration, health checks, API, metrics.");
        line.add({"--config", "FILE", "the configuration, shared with lbdp"}, options.config);
        line.add({"--run-dir", "DIR", "the socket and the shared segments"}, options.run_dir);
        line.add({"--state-dir", "DIR", "what was changed at run time"}, options.state_dir);
        if (const auto code = line.read(argc, argv)) {
            return *code;
        }
        fairlead::take_all_descriptors();
        fairlead::shm::survive_missing_pages();
        std::signal(SIGPIPE, SIG_IGN);  // a peer that has gone is an error of write()
        const fairlead::BackgroundLog background;
        return fairlead::Program(std::move(options)).run();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "lbd: unexpected error: %s\n", error.what());
        return 1;
    }
}
