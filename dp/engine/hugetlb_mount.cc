#include "dp/engine/hugetlb_mount.h"

#include <cerrno>

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "dp/base/error_text.h"

namespace fairlead::engine {
namespace {

// Whether mounts of this process are the machine's. Where init's namespace may not be looked at,
// they are taken for it.
bool shares_mounts_with_init() {
    struct stat own {};
    struct stat of_init {};
    return ::stat("/proc/self/ns/mnt", &own) != 0 || ::stat("/proc/1/ns/mnt", &of_init) != 0 ||
           own.st_ino == of_init.st_ino;
}

bool is_hugetlbfs(const std::string& directory) {
    struct statfs status {};
    return ::statfs(directory.c_str(), &status) == 0 && status.f_type == HUGETLBFS_MAGIC;
}

}  // namespace

std::string own_mount_in(const std::string& run_dir) {
    return run_dir + "/huge";
}

Result<std::string> mount_hugetlbfs(const std::string& run_dir,
                                    std::uint64_t page_bytes,
                                    std::uint64_t bytes) {
    const std::string directory = own_mount_in(run_dir);
    if (!shares_mounts_with_init()) {
        return fail(
            "lbdp has a mount namespace of its own (PrivateMounts= and the like in its "
            "unit), and a hugetlbfs in it would end with it; mount one outside");
    }
    unmount_hugetlbfs(run_dir);
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
        return fail(fmt::format("cannot make {}: {}", directory, error_text(errno)));
    }
    const std::string options = fmt::format("pagesize={},size={},mode=0700", page_bytes, bytes);
    if (::mount(kOwnMountDevice.data(),
                directory.c_str(),
                "hugetlbfs",
                MS_NOSUID | MS_NODEV | MS_NOEXEC,
                options.c_str()) != 0) {
        const int error = errno;
        (void)::rmdir(directory.c_str());
        return fail(fmt::format("cannot mount a hugetlbfs on {}: {}{}",
                                directory,
                                error_text(error),
                                error == EPERM ? "; lbdp needs CAP_SYS_ADMIN for it" : ""));
    }
    return directory;
}

void unmount_hugetlbfs(const std::string& run_dir) {
    const std::string directory = own_mount_in(run_dir);
    if (is_hugetlbfs(directory)) {
        (void)::umount2(directory.c_str(), MNT_DETACH);
    }
    (void)::rmdir(directory.c_str());
}

}  // namespace fairlead::engine
