#include "bpf/loader/pin_directory.h"

#include <cerrno>

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "dp/base/error_text.h"

namespace fairlead {

Status prepare_pin_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
        return fail(fmt::format("cannot make {}: {}; the run directory must exist and be writable",
                                path,
                                error_text(errno)));
    }
    struct statfs status {};
    if (::statfs(path.c_str(), &status) == 0 && status.f_type == BPF_FS_MAGIC) {
        return {};
    }
    if (::mount("bpf", path.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) {
        return fail(
            fmt::format("cannot mount a bpffs on {}: {}; run as root, or mount it before: "
                        "`mount -t bpf bpf {}`",
                        path,
                        error_text(errno),
                        path));
    }
    return {};
}

std::string pin_name(std::string_view prefix, std::string_view name) {
    std::string result(prefix);
    for (const char letter : name) {
        if (letter == '.') {
            result += "%2e";
        } else {
            result += letter;
        }
    }
    return result;
}

}  // namespace fairlead
