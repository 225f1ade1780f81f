#include "ctl/model/atomic_file.h"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dp/base/descriptor.h"
#include "dp/base/error_text.h"

namespace fairlead::model {
namespace {

Status write_all(int fd, const std::string& path, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return fail("cannot write " + path + ": " + error_text(errno));
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fsync(fd) != 0) {
        return fail("cannot sync " + path + " to disk: " + error_text(errno));
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
        if (!file.is_open()) {
            return fail("cannot create " + temporary + ": " + error_text(errno));
        }
        if (::fchmod(file.get(), mode) != 0) {
            return fail("cannot set the mode of " + temporary + ": " + error_text(errno));
        }
        if (Status written = write_all(file.get(), temporary, text); !written) {
            ::unlink(temporary.c_str());
            return written;
        }
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
        const int error = errno;
        ::unlink(temporary.c_str());
        return fail("cannot rename " + temporary + " to " + path + ": " + error_text(error));
    }
    const std::string directory = directory_of(path);
    const Descriptor folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.is_open() || ::fsync(folder.get()) != 0) {
        return fail("cannot sync the directory " + directory + ": " + error_text(errno));
    }
    return {};
}

Result<std::string> read_file(const std::string& path, std::size_t limit, bool& missing) {
    missing = false;
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open()) {
        missing = errno == ENOENT;
        return fail("cannot open " + path + ": " + error_text(errno));
    }
    std::string text;
    std::array<char, 16384> chunk{};
    for (;;) {
        const ssize_t got = ::read(file.get(), chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail("cannot read " + path + ": " + error_text(errno));
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
