// Waiting until backends may be switched off: no flow is left, or they are forgotten.
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "ctl/cli/commands.h"
#include "ctl/cli/json_read.h"
#include "ctl/cli/units.h"

namespace fairlead::cli {
namespace {

using nlohmann::json;
using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kPollInterval{100};
constexpr milliseconds kLineInterval{1'000};

// What one look at the daemon found.
struct Remaining {
    std::uint64_t flows = 0;
    std::size_t backends = 0;  // with flows, or not forgotten yet
    bool is_engine_running = true;
    bool is_counted = true;       // the engine has counted its flows
    bool has_old_tables = false;  // flows of before [engine] cpus or flows changed
};

Outcome<Remaining> look(const Context& context, const std::vector<Selection>& backends) {
    const bool must_vanish = context.command.word == Word::kBackendRemove;
    Remaining remaining;
    for (const Selection& backend : backends) {
        const auto answer = context.daemon.get(fmt::format("/api/v1/services/{}/backends/{}",
                                                           percent_encode(backend.service),
                                                           percent_encode(backend.backend)));
        if (!answer && answer.error().code != ExitCode::kNotFound) {
            return Unexpected<Failure>{answer.error()};
        }
        if (answer) {
            const std::uint64_t flows = number(*answer, "active_flows");
            remaining.flows += flows;
            remaining.backends += flows > 0 || must_vanish ? 1U : 0U;
        }
    }
    // Asked after the flows: an engine that starts takes time from its zeros to its first count.
    const auto status = context.daemon.get("/api/v1/status");
    if (!status) {
        return Unexpected<Failure>{status.error()};
    }
    remaining.is_engine_running = flag(object(*status, "engine"), "up");
    remaining.is_counted = flag(object(*status, "engine"), "counts_flows");
    remaining.has_old_tables = flag(object(*status, "engine"), "searches_old_flows");
    return remaining;
}

// One line redrawn on a terminal; elsewhere a line a second, and only if it says something new.
class Progress {
  public:
    Progress(const Context& context, std::string name)
        : context_(context), name_(std::move(name)) {}

    void show(const std::string& what, milliseconds waited) {
        if (context_.err_look.is_terminal) {
            context_.err << fmt::format("\r\x1b[K{}: {}, {}", name_, what, duration(waited))
                         << std::flush;
            is_drawn_ = true;
            return;
        }
        const auto now = SteadyClock::now();
        if (what != last_ && (last_.empty() || now - shown_ >= kLineInterval)) {
            context_.err << fmt::format("{}: {}, {}\n", name_, what, duration(waited))
                         << std::flush;
            last_ = what;
            shown_ = now;
        }
    }

    void end() {
        if (is_drawn_) {
            context_.err << "\r\x1b[K";
            is_drawn_ = false;
        }
    }

  private:
    const Context& context_;
    std::string name_;
    std::string last_;
    SteadyClock::time_point shown_;
    bool is_drawn_ = false;
};

std::string describe(const Remaining& remaining, bool must_vanish) {
    if (!remaining.is_engine_running) {
        return "the engine is not running, so that flows cannot be counted";
    }
    if (remaining.has_old_tables) {
        return "[engine] cpus or flows has changed: flows of before cannot be counted until the "
               "engine has run for an hour";
    }
    if (!remaining.is_counted) {
        return "the engine has just started and not counted its flows yet";
    }
    if (must_vanish && remaining.flows == 0) {
        return "no flow left, being forgotten";
    }
    return counted(remaining.flows, "flow") + " left";
}

}  // namespace

Outcome<ExitCode> wait_for_flows(const Context& context, const std::vector<Selection>& backends) {
    const Command& command = context.command;
    const bool must_vanish = command.word == Word::kBackendRemove;
    const auto started = SteadyClock::now();
    const auto waited = [&] {
        return std::chrono::duration_cast<milliseconds>(SteadyClock::now() - started);
    };
    Progress progress(context, command.target);
    std::string last;
    while (true) {
        const auto remaining = look(context, backends);
        // A daemon that is being restarted comes back; flows do not depend on it.
        const bool may_come_back = !remaining && remaining.error().code == ExitCode::kUnreachable;
        if (!remaining && !may_come_back) {
            progress.end();
            return Unexpected<Failure>{remaining.error()};
        }
        if (remaining && remaining->backends == 0 && remaining->is_counted) {
            progress.end();
            context.err << fmt::format("{}: no flow left after {}; safe to switch off.\n",
                                       command.target,
                                       duration(waited()));
            return ExitCode::kDone;
        }
        last = remaining ? describe(*remaining, must_vanish) : "lbd is not reachable, still trying";
        progress.show(last, waited());
        if (waited() >= command.for_flows()) {
            break;
        }
        std::this_thread::sleep_for(kPollInterval);
    }
    progress.end();
    return failure(
        ExitCode::kTimedOut,
        fmt::format("{}: {} after {}. The change stands; --timeout sets how long to wait.",
                    command.target,
                    last,
                    duration(command.for_flows())));
}

}  // namespace fairlead::cli
