// A Checker on a thread of its own, so that nothing that the daemon does stops a check.
//
// Thread: its owner's, whose loop calls OnTransition; only set_targets(), and the reports' copies,
// cross over.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctl/health/checker.h"
#include "ctl/loop/io_context_fwd.h"

namespace fairlead::health {

class CheckThread {
  public:
    // `owner` is the loop of whoever makes it, and must outlive it.
    CheckThread(boost::asio::io_context& owner, Checker::OnTransition on_transition);
    // Waits for the thread's turn to end, which no check makes long.
    ~CheckThread();
    CheckThread(const CheckThread&) = delete;
    CheckThread& operator=(const CheckThread&) = delete;

    // As Checker::set_targets(), soon. A transition that is on its way may still come, of a target
    // that is one no more.
    void set_targets(std::vector<Target> targets);

    // What the thread knew a moment ago; nullptr: no such target. Valid until the next call of
    // anything here.
    [[nodiscard]] const Report* report(std::string_view service, std::string_view backend);
    // Every target, by service and backend.
    void for_each(const std::function<void(const Target&, const Report&)>& visit);
    [[nodiscard]] DurationHistogram durations();
    // The longest that a check began late within the last 10 to 20 seconds.
    [[nodiscard]] std::chrono::nanoseconds lag();

  private:
    class Worker;
    struct Known {
        Target target;
        Report report;
    };

    void refresh();

    std::shared_ptr<Worker> worker_;
    std::map<std::pair<std::string, std::string>, Known, std::less<>> known_;
};

}  // namespace fairlead::health
