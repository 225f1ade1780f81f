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

#include "dp/base/error_text.h"

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
    RunLock lock(Descriptor(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)));
    if (!lock.file_.is_open()) {
        return fail(fmt::format("cannot open {}: {}", path.string(), error_text(errno)));
    }
    if (flock(lock.file_.get(), LOCK_EX | LOCK_NB) != 0) {
        return fail(fmt::format(
            "another lbagent (process {}) runs on {}; stop it first, or name another --run-dir",
            holder(lock.file_.get()),
            run_dir.string()));
    }
    const std::string own = std::to_string(getpid());
    if (ftruncate(lock.file_.get(), 0) != 0 ||
        pwrite(lock.file_.get(), own.data(), own.size(), 0) != static_cast<ssize_t>(own.size())) {
        return fail(fmt::format("cannot write {}: {}", path.string(), error_text(errno)));
    }
    return lock;
}

}  // namespace fairlead::agent
