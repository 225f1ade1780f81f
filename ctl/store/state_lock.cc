#include "ctl/store/state_lock.h"

#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "dp/base/error_text.h"

namespace fairlead::store {
namespace {

constexpr mode_t kMode = 0640;

// What the holder wrote: for people, and cut at a line's end.
std::string holder_of(int descriptor) {
    std::array<char, 512> text{};
    const ssize_t bytes = ::pread(descriptor, text.data(), text.size(), 0);
    std::string holder(text.data(), bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
    holder.resize(std::min(holder.find_first_of(std::string_view("\n\0", 2)), holder.size()));
    return holder.empty() ? "another lbd" : holder;
}

}  // namespace

Result<StateLock> StateLock::take(const std::string& state_dir, const std::string& run_dir) {
    const std::string path = state_dir + "/lock";
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kMode);
    // A directory that nothing can be written in can still be read, and locked.
    const int opened = descriptor >= 0
                           ? descriptor
                           : ::open(state_dir.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (opened < 0) {
        return fail("cannot open " + path + ": " + error_text(errno));
    }
    StateLock lock(opened);
    if (::flock(opened, LOCK_EX | LOCK_NB) != 0) {
        const int error = errno;
        if (error != EWOULDBLOCK) {
            return fail("cannot lock " + path + ": " + error_text(error));
        }
        return fail(state_dir + " is in use by " + holder_of(opened) +
                    ": stop that one first, or give each instance a --state-dir of its own");
    }
    if (descriptor >= 0) {
        const std::string text =
            "lbd with run directory " + run_dir + ", pid " + std::to_string(::getpid()) + "\n";
        static_cast<void>(::ftruncate(descriptor, 0));
        static_cast<void>(::pwrite(descriptor, text.data(), text.size(), 0));
    }
    return lock;
}

StateLock::~StateLock() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

StateLock::StateLock(StateLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

StateLock& StateLock::operator=(StateLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
}

}  // namespace fairlead::store
