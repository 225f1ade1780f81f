#include "ctl/model/atomic_file.h"

#include <array>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fairlead::model {
namespace {

std::string reason(int error) {
    return std::generic_category().message(error);
}

// An open descriptor, closed at the end of its block.
class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int get() const { return fd_; }

  private:
    int fd_;
};

Status write_all(int fd, const std::string& path, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return fail("cannot write " + path + ": " + reason(errno));
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fsync(fd) != 0) {
        return fail("cannot sync " + path + " to disk: " + reason(errno));
    }
    return {};
}

std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) {
        return ".";
    }
    return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Status write_file_atomically(const std::string& path, std::string_view text, mode_t mode) {
    const std::string temporary = path + ".new";
    {
        const Descriptor file(
            ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
        if (file.get() < 0) {
            return fail("cannot create " + temporary + ": " + reason(errno));
        }
        if (::fchmod(file.get(), mode) != 0) {
            return fail("cannot set the mode of " + temporary + ": " + reason(errno));
        }
        if (Status written = write_all(file.get(), temporary, text); !written) {
            ::unlink(temporary.c_str());
            return written;
        }
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
        const int error = errno;
        ::unlink(temporary.c_str());
        return fail("cannot rename " + temporary + " to " + path + ": " + reason(error));
    }
    const std::string directory = directory_of(path);
    const Descriptor folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() < 0 || ::fsync(folder.get()) != 0) {
        return fail("cannot sync the directory " + directory + ": " + reason(errno));
    }
    return {};
}

Result<std::string> read_file(const std::string& path, std::size_t limit, bool& missing) {
    missing = false;
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) {
        missing = errno == ENOENT;
        return fail("cannot open " + path + ": " + reason(errno));
    }
    std::string text;
    std::array<char, 16384> chunk{};
    for (;;) {
        const ssize_t got = ::read(file.get(), chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail("cannot read " + path + ": " + reason(errno));
        }
        if (got == 0) {
            return text;
        }
        text.append(chunk.data(), static_cast<std::size_t>(got));
        if (text.size() > limit) {
            return fail(path + " is larger than " + std::to_string(limit) + " bytes");
        }
    }
}

}  // namespace fairlead::model
