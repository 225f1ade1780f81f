#include "ctl/api/name_book.h"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>

namespace fairlead::api {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kRecordBytes = 16384;  // of one entry of the user or group database
constexpr std::chrono::minutes kHolds{1};    // what was found
constexpr std::size_t kMostNames = 1024;

std::string number_of(uid_t uid) {
    return "uid " + std::to_string(uid);
}

std::string look_up_user(uid_t uid) {
    std::vector<char> buffer(kRecordBytes);
    passwd record{};
    passwd* found = nullptr;
    const bool is_there =
        ::getpwuid_r(uid, &record, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
    return is_there ? std::string(record.pw_name) + " (" + number_of(uid) + ")" : number_of(uid);
}

std::optional<gid_t> look_up_group(const std::string& name) {
    std::vector<char> buffer(kRecordBytes);
    group record{};
    group* found = nullptr;
    const bool is_there =
        ::getgrnam_r(name.c_str(), &record, buffer.data(), buffer.size(), &found) == 0 &&
        found != nullptr;
    return is_there ? std::optional(record.gr_gid) : std::nullopt;
}

}  // namespace

// Held by its thread as well, which may never come back from a look.
class NameBook::Reader : public std::enable_shared_from_this<Reader> {
  public:
    explicit Reader(std::string group) : group_name_(std::move(group)) {}

    void start() {
        // Signals are the owner's.
        sigset_t all;
        sigset_t before;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        std::thread([self = shared_from_this()] { self->run(); }).detach();
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    void end() {
        const std::scoped_lock lock(mutex_);
        is_over_ = true;
        wakes_.notify_one();
    }

    void ask(uid_t uid) {
        const std::scoped_lock lock(mutex_);
        const auto found = names_.find(uid);
        const bool is_fresh = found != names_.end() && Clock::now() - found->second.asked < kHolds;
        if (is_fresh || queue_.size() >= kMostNames) {
            return;
        }
        if (names_.size() >= kMostNames) {
            names_.clear();
        }
        names_[uid].asked = Clock::now();
        queue_.push_back(uid);
        wakes_.notify_one();
    }

    std::string name_of(uid_t uid, std::chrono::milliseconds patience) {
        ask(uid);
        std::unique_lock lock(mutex_);
        const auto is_known = [this, uid] {
            const auto found = names_.find(uid);
            return found != names_.end() && !found->second.name.empty();
        };
        return found_.wait_for(lock, patience, is_known) ? names_[uid].name : number_of(uid);
    }

    std::optional<gid_t> group() {
        const std::scoped_lock lock(mutex_);
        return group_;
    }

  private:
    struct Entry {
        Clock::time_point asked;
        std::string name;  // "": not known yet
    };

    void run() {
        ::pthread_setname_np(::pthread_self(), "names");
        Clock::time_point group_is_due = Clock::now();
        std::unique_lock lock(mutex_);
        while (!is_over_) {
            if (!queue_.empty()) {
                const uid_t uid = queue_.front();
                queue_.pop_front();
                lock.unlock();
                std::string name = look_up_user(uid);
                lock.lock();
                names_[uid].name = std::move(name);
                found_.notify_all();
            } else if (Clock::now() >= group_is_due) {
                group_is_due = Clock::now() + kHolds;
                lock.unlock();
                const std::optional<gid_t> found = look_up_group(group_name_);
                lock.lock();
                group_ = found;
            } else {
                wakes_.wait_until(
                    lock, group_is_due, [this] { return is_over_ || !queue_.empty(); });
            }
        }
    }

    const std::string group_name_;
    std::mutex mutex_;
    std::condition_variable wakes_;
    std::condition_variable found_;
    std::deque<uid_t> queue_;
    std::map<uid_t, Entry> names_;
    std::optional<gid_t> group_;
    bool is_over_ = false;
};

NameBook::NameBook(const std::string& group) : reader_(std::make_shared<Reader>(group)) {
    reader_->ask(0);
    reader_->start();
}

NameBook::~NameBook() {
    reader_->end();
}

void NameBook::ask(uid_t uid) {
    reader_->ask(uid);
}

std::string NameBook::name_of(uid_t uid, std::chrono::milliseconds patience) {
    return reader_->name_of(uid, patience);
}

std::optional<gid_t> NameBook::group() const {
    return reader_->group();
}

}  // namespace fairlead::api
