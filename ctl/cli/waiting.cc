#include "ctl/cli/waiting.h"

#include <thread>

#include <fmt/format.h>

#include "ctl/cli/json_read.h"
#include "ctl/cli/units.h"

namespace fairlead::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kPollInterval{100};
constexpr milliseconds kLineInterval{1'000};

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

}  // namespace

std::string name_of(const Selection& backend) {
    return backend.service + "/" + backend.backend;
}

Outcome<nlohmann::json> ask_for(const Context& context, const Selection& backend) {
    return context.daemon.get(fmt::format("/api/v1/services/{}/backends/{}",
                                          percent_encode(backend.service),
                                          percent_encode(backend.backend)));
}

Outcome<milliseconds> wait_until(const Context& context, milliseconds limit, const OneLook& look) {
    const auto started = SteadyClock::now();
    Progress progress(context, context.command.target);
    while (true) {
        auto missing = look();
        const auto waited = std::chrono::duration_cast<milliseconds>(SteadyClock::now() - started);
        if (!missing && missing.error().code != ExitCode::kUnreachable) {
            progress.end();
            return Unexpected<Failure>{missing.error()};
        }
        if (missing && missing->empty()) {
            progress.end();
            return waited;
        }
        const std::string what = missing ? *missing : "lbd is not reachable, still trying";
        progress.show(what, waited);
        if (waited >= limit) {
            progress.end();
            return failure(
                ExitCode::kTimedOut,
                fmt::format("{}: {} after {}. The change stands; --timeout sets how long to wait.",
                            context.command.target,
                            what,
                            duration(limit)));
        }
        std::this_thread::sleep_for(kPollInterval);
    }
}

}  // namespace fairlead::cli
