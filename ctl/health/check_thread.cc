#include "ctl/health/check_thread.h"

#include <mutex>
#include <optional>
#include <thread>

#include <pthread.h>
#include <signal.h>

#include "ctl/loop/main_loop.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace fairlead::health {
namespace {

namespace asio = boost::asio;
using Name = std::pair<std::string, std::string>;

}  // namespace

// What both threads touch, and what the checks' own alone does. Held by what is on its way to the
// owner's loop, too, which may come after the end.
class CheckThread::Worker : public std::enable_shared_from_this<Worker> {
  public:
    // What has become of a target: of several changes, the last.
    struct Change {
        Name name;
        std::optional<Known> known;
    };

    Worker(asio::io_context& owner, Checker::OnTransition on_transition)
        : owner_(owner), on_transition_(std::move(on_transition)) {}

    void start() {
        // Signals are the owner's.
        sigset_t all;
        sigset_t before;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        thread_ = std::thread([this] { run(); });
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    void end() {
        is_over_ = true;
        loop_.stop();
        thread_.join();
        checker_.reset();
    }

    void set_targets(std::vector<Target> targets) {
        loop::post(loop_, [this, targets = std::move(targets)]() mutable {
            checker_->set_targets(std::move(targets));
            note_figures();
        });
    }

    std::vector<Change> take_changes() {
        const std::scoped_lock lock(mutex_);
        places_.clear();
        return std::exchange(changes_, {});
    }
    DurationHistogram durations() {
        const std::scoped_lock lock(mutex_);
        return durations_;
    }
    std::chrono::nanoseconds lag() {
        const std::scoped_lock lock(mutex_);
        return lag_;
    }

  private:
    void run() {
        ::pthread_setname_np(::pthread_self(), "checks");
        checker_.emplace(
            loop_,
            [this](const Target& target, model::Health health, std::string_view why) {
                tell(target, health, std::string(why));
            },
            [this](const Target& target, const Report* report) { note(target, report); });
        loop_.run();
    }

    void tell(const Target& target, model::Health health, std::string why) {
        loop::post(owner_, [self = shared_from_this(), target, health, why = std::move(why)] {
            if (!self->is_over_) {
                self->on_transition_(target, health, why);
            }
        });
    }

    void note(const Target& target, const Report* report) {
        Change change{{target.service, target.backend}, std::nullopt};
        if (report != nullptr) {
            change.known = Known{target, *report};
        }
        const std::scoped_lock lock(mutex_);
        const auto [place, is_new] = places_.try_emplace(change.name, changes_.size());
        if (is_new) {
            changes_.push_back(std::move(change));
        } else {
            changes_[place->second] = std::move(change);
        }
        durations_ = checker_->durations();
        lag_ = checker_->lag();
    }

    void note_figures() {
        const std::scoped_lock lock(mutex_);
        lag_ = checker_->lag();
    }

    asio::io_context& owner_;
    Checker::OnTransition on_transition_;
    bool is_over_ = false;  // the owner's

    std::mutex mutex_;
    std::vector<Change> changes_;         // since the owner has looked
    std::map<Name, std::size_t> places_;  // of each in it
    DurationHistogram durations_;
    std::chrono::nanoseconds lag_{};

    // The thread's own. The loop outlives, and so is destroyed after, what waits for it.
    asio::io_context loop_;
    asio::executor_work_guard<asio::io_context::executor_type> stays_ =
        asio::make_work_guard(loop_);
    std::optional<Checker> checker_;
    std::thread thread_;
};

CheckThread::CheckThread(asio::io_context& owner, Checker::OnTransition on_transition)
    : worker_(std::make_shared<Worker>(owner, std::move(on_transition))) {
    worker_->start();
}

CheckThread::~CheckThread() {
    worker_->end();
}

void CheckThread::set_targets(std::vector<Target> targets) {
    worker_->set_targets(std::move(targets));
}

void CheckThread::refresh() {
    for (Worker::Change& change : worker_->take_changes()) {
        if (change.known) {
            known_.insert_or_assign(std::move(change.name), std::move(*change.known));
        } else {
            known_.erase(change.name);
        }
    }
}

const Report* CheckThread::report(std::string_view service, std::string_view backend) {
    refresh();
    const auto found = known_.find(std::pair<std::string, std::string>(service, backend));
    return found == known_.end() ? nullptr : &found->second.report;
}

void CheckThread::for_each(const std::function<void(const Target&, const Report&)>& visit) {
    refresh();
    for (const auto& [name, known] : known_) {
        visit(known.target, known.report);
    }
}

DurationHistogram CheckThread::durations() {
    return worker_->durations();
}

std::chrono::nanoseconds CheckThread::lag() {
    return worker_->lag();
}

}  // namespace fairlead::health
