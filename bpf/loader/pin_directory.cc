#include "bpf/loader/pin_directory.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "dp/base/error_text.h"

namespace fairlead {

bool is_pin_directory(const std::string& path) {
    struct statfs status {};
    return ::statfs(path.c_str(), &status) == 0 && status.f_type == BPF_FS_MAGIC;
}

Status prepare_pin_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
        return fail(fmt::format("cannot make {}: {}; the run directory must exist and be writable",
                                path,
                                error_text(errno)));
    }
    if (is_pin_directory(path)) {
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

Status release_pin_directory(const std::string& path) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
        // Names with a dot are the kernel's own (maps.debug): it refuses them to everybody else.
        if (entry.path().filename().string().find('.') == std::string::npos) {
            return {};
        }
    }
    if (is_pin_directory(path) && ::umount(path.c_str()) != 0) {
        return fail(fmt::format("cannot unmount {}: {}", path, error_text(errno)));
    }
    (void)::rmdir(path.c_str());
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

std::size_t remove_other_pins(const std::string& directory,
                              std::span<const std::string_view> prefixes,
                              std::span<const std::string> interfaces) {
    std::error_code error;
    std::vector<std::string> unwanted;
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
        const std::string name = entry.path().filename();
        const auto prefix =
            std::find_if(prefixes.begin(), prefixes.end(), [&](std::string_view candidate) {
                return name.starts_with(candidate);
            });
        const bool is_wanted =
            prefix == prefixes.end() ||
            std::any_of(interfaces.begin(), interfaces.end(), [&](const std::string& interface) {
                return name == pin_name(*prefix, interface);
            });
        if (!is_wanted) {
            unwanted.push_back(entry.path());
        }
    }
    return static_cast<std::size_t>(
        std::count_if(unwanted.begin(), unwanted.end(), [](const std::string& path) {
            return ::unlink(path.c_str()) == 0;
        }));
}

}  // namespace fairlead
