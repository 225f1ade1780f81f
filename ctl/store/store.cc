#include "ctl/store/store.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <pthread.h>
#include <signal.h>

#include "ctl/loop/main_loop.h"
#include "ctl/store/state_lock.h"

namespace fairlead::store {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

// Held by its thread as well, which may outlive the store where a disk never answers.
class Store::Worker : public std::enable_shared_from_this<Worker> {
  public:
    Worker(boost::asio::io_context& owner, std::string state_dir, StateLock lock)
        : owner_(owner), state_dir_(std::move(state_dir)), lock_(std::move(lock)) {}

    Contents read() {
        Result<StateDb> opened = StateDb::open(state_dir_);
        if (!opened) {
            return unread(opened.error());
        }
        Result<Contents> contents = opened->read();
        if (!contents) {
            return unread(contents.error());
        }
        database_.emplace(std::move(*opened));
        return std::move(*contents);
    }

    void start() {
        // Signals are the owner's.
        sigset_t all;
        sigset_t before;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        std::thread([self = shared_from_this()] { self->run(); }).detach();
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    void write(Change change, Then then) {
        const std::scoped_lock lock(mutex_);
        queue_.push_back({std::move(change), std::move(then)});
        wakes_.notify_one();
    }

    void end() {
        std::unique_lock lock(mutex_);
        is_over_ = true;
        wakes_.notify_one();
        ended_.wait_for(lock, kFarewell, [this] { return has_ended_; });
    }

    [[nodiscard]] const std::string& problem() const { return problem_; }
    [[nodiscard]] std::chrono::milliseconds waiting() {
        const std::scoped_lock lock(mutex_);
        return is_writing_
                   ? std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began_)
                   : std::chrono::milliseconds(0);
    }

  private:
    struct Job {
        Change change;
        Then then;
    };

    Contents unread(const Error& error) {
        problem_ =
            "what operators changed at run time cannot be read, is not in force, and nothing "
            "can be changed: " +
            error.message;
        must_read_ = true;
        return {{}, {}, {}};
    }

    void run() {
        ::pthread_setname_np(::pthread_self(), "state");
        std::unique_lock lock(mutex_);
        while (true) {
            wakes_.wait(lock, [this] { return is_over_ || !queue_.empty(); });
            if (queue_.empty()) {
                break;
            }
            Job job = std::move(queue_.front());
            queue_.pop_front();
            is_writing_ = true;
            began_ = Clock::now();
            lock.unlock();
            Status written = write_now(job.change);
            lock.lock();
            is_writing_ = false;
            // The loop may be gone once the store is.
            if (!is_over_) {
                loop::post(owner_,
                           [self = shared_from_this(),
                            written = std::move(written),
                            then = std::move(job.then)] { self->tell(written, then); });
            }
        }
        database_.reset();
        lock_.reset();
        has_ended_ = true;
        ended_.notify_one();
    }

    Status write_now(const Change& change) {
        if (must_read_) {
            return fail("what is there could not be read; restart lbd when it can be");
        }
        if (Status ready = be_ready(); !ready) {
            return ready;
        }
        Result<Before> before = database_->before(change);
        Status written = before ? database_->write(change) : Unexpected{before.error()};
        if (written) {
            return written;
        }
        database_.reset();
        if (before) {
            to_restore_ = std::move(*before);
        }
        const Status undone = be_ready();
        database_.reset();  // the next write may find the directory otherwise
        if (!undone && before) {
            return fail(written.error().message +
                        "; whether it comes back with the next start is not known: " +
                        undone.error().message);
        }
        return written;
    }

    // Open, and as it was before a write that failed.
    Status be_ready() {
        if (!database_) {
            Result<StateDb> opened = StateDb::open(state_dir_);
            if (!opened) {
                return Unexpected{opened.error()};
            }
            database_.emplace(std::move(*opened));
        }
        if (to_restore_) {
            if (Status restored = database_->restore(*to_restore_); !restored) {
                database_.reset();
                return restored;
            }
            to_restore_.reset();
        }
        return {};
    }

    void tell(const Status& written, const Then& then) {
        if (!must_read_) {
            problem_ = written ? "" : "nothing can be changed: " + written.error().message;
        }
        then(written);
    }

    boost::asio::io_context& owner_;
    std::string state_dir_;
    std::optional<StateLock> lock_;  // until the thread ends
    std::string problem_;            // the owner's
    bool must_read_ = false;         // set before the thread is there

    std::mutex mutex_;
    std::condition_variable wakes_;
    std::condition_variable ended_;
    std::deque<Job> queue_;
    bool is_over_ = false;
    bool has_ended_ = false;
    bool is_writing_ = false;
    Clock::time_point began_;

    // The thread's.
    std::optional<StateDb> database_;
    std::optional<Before> to_restore_;
};

Store::Store(std::shared_ptr<Worker> worker) : worker_(std::move(worker)) {}

Store::~Store() {
    worker_->end();
}

Result<Store::Opened> Store::open(boost::asio::io_context& owner,
                                  const std::string& state_dir,
                                  const std::string& run_dir) {
    Result<StateLock> lock = StateLock::take(state_dir, run_dir);
    if (!lock) {
        return Unexpected{lock.error()};
    }
    auto worker = std::make_shared<Worker>(owner, state_dir, std::move(*lock));
    Contents contents = worker->read();
    worker->start();
    return Opened{std::unique_ptr<Store>(new Store(std::move(worker))), std::move(contents)};
}

void Store::write(Change change, Then then) {
    worker_->write(std::move(change), std::move(then));
}

const std::string& Store::problem() const {
    return worker_->problem();
}

std::chrono::milliseconds Store::waiting() const {
    return worker_->waiting();
}

}  // namespace fairlead::store
