// Who waits until every worker has acknowledged a generation.
//
// What is published in steps is waited for to its last one. While somebody waits, the
// acknowledgements are read every kPoll. Thread: the loop's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ctl/loop/timer.h"
#include "ctl/publish/publisher.h"
#include "ctl/publish/telemetry_view.h"

namespace fairlead::daemon {

class Waiters {
  public:
    static constexpr std::chrono::milliseconds kPoll{1};
    static constexpr std::size_t kMost = 256;

    // "" when every worker forwards so, else why the time ran out, as a sentence.
    using Done = std::function<void(std::string)>;

    Waiters(boost::asio::io_context& loop, publish::TelemetryView& telemetry)
        : telemetry_(telemetry), timer_(loop) {}

    // Beyond kMost who wait, nobody else does: `done` is called at once, with that for the reason.
    void wait(std::uint64_t generation, std::chrono::milliseconds limit, Done done);
    // What the last publish() said.
    void follow(const publish::Published& published) { published_ = published; }

  private:
    struct Waiter {
        std::uint64_t generation;
        std::chrono::steady_clock::time_point deadline;
        Done done;
        bool waits_for_steps = false;  // of what was published last
    };
    void look();
    [[nodiscard]] std::string reason(bool engine_runs);

    publish::TelemetryView& telemetry_;
    loop::Timer timer_;
    publish::Published published_;
    std::vector<Waiter> waiters_;
    bool is_polling_ = false;
};

}  // namespace fairlead::daemon
