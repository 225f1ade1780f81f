#include "ctl/daemon/directories.h"

#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

#include "dp/base/error_text.h"

namespace fairlead::daemon {

Status prepare_directory(const std::string& path, const std::string& option, Needs needs) {
    const bool is_new = ::mkdir(path.c_str(), 0755) == 0;
    const int error = errno;
    if (!is_new && error == ENOENT) {
        return fail("cannot create " + path +
                    ": its parent directory is missing; create it, or choose another " + option);
    }
    if (!is_new && error != EEXIST) {
        return fail("cannot create " + path + ": " + error_text(error) +
                    "; create it for this user, or choose another " + option);
    }
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
        return fail(path + " is not a directory: choose another " + option);
    }
    const bool must_write = needs == Needs::kWriting;
    if (::access(path.c_str(), R_OK | X_OK | (must_write ? W_OK : 0)) != 0) {
        return fail(std::string(must_write ? "cannot write in " : "cannot read ") + path + ": " +
                    error_text(errno) + "; run as its owner, or choose another " + option);
    }
    return {};
}

}  // namespace fairlead::daemon
