#include "ctl/agent/run_lock.h"

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

namespace fairlead::agent {
namespace {

std::string holder(int fd) {
    std::array<char, 16> text{};
    const ssize_t length = pread(fd, text.data(), text.size(), 0);
    return length > 0 ? std::string(text.data(), static_cast<std::size_t>(length)) : "unknown";
}

}  // namespace

Result<RunLock> RunLock::take(const std::filesystem::path& run_dir) {
    std::error_code error;
    std::filesystem::create_directories(run_dir, error);
    if (error) {
        return fail(
            fmt::format("cannot make the run directory {}: {}", run_dir.string(), error.message()));
    }
    const std::filesystem::path path = run_dir / "lbagent.lock";
    RunLock lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (lock.fd_ < 0) {
        return fail(fmt::format(
            "cannot open {}: {}", path.string(), std::generic_category().message(errno)));
    }
    if (flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
        return fail(fmt::format(
            "another lbagent (process {}) runs on {}; stop it first, or name another --run-dir",
            holder(lock.fd_),
            run_dir.string()));
    }
    const std::string own = std::to_string(getpid());
    if (ftruncate(lock.fd_, 0) != 0 ||
        pwrite(lock.fd_, own.data(), own.size(), 0) != static_cast<ssize_t>(own.size())) {
        return fail(fmt::format(
            "cannot write {}: {}", path.string(), std::generic_category().message(errno)));
    }
    return lock;
}

RunLock::RunLock(RunLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

RunLock& RunLock::operator=(RunLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

RunLock::~RunLock() {
    if (fd_ >= 0) {
        (void)close(fd_);
    }
}

}  // namespace fairlead::agent
