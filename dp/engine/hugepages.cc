#include "dp/engine/hugepages.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <sys/vfs.h>

#include "dp/engine/hugetlb_mount.h"

namespace fairlead::engine {
namespace {

constexpr const char* kPools = "/sys/kernel/mm/hugepages";
constexpr std::string_view kPoolPrefix = "hugepages-";  // then "2048kB"
constexpr std::uint64_t kUsualPageBytes = 2U << 20U;

std::uint64_t read_number(const std::filesystem::path& path) {
    std::uint64_t number = 0;
    std::ifstream(path) >> number;
    return number;
}

// The first hugetlbfs of somebody else's whose pages have this size: a file system's block size is
// its page size.
std::string find_mount(std::uint64_t page_bytes) {
    std::ifstream mounts("/proc/self/mounts");
    std::string line;
    while (std::getline(mounts, line)) {
        std::istringstream fields(line);
        std::string device;
        std::string directory;
        std::string type;
        fields >> device >> directory >> type;
        struct statfs status {};
        if (type == "hugetlbfs" && device != kOwnMountDevice &&
            ::statfs(directory.c_str(), &status) == 0 &&
            static_cast<std::uint64_t>(status.f_bsize) == page_bytes) {
            return directory;
        }
    }
    return {};
}

}  // namespace

std::vector<HugePagePool> find_hugepages() {
    std::vector<HugePagePool> pools;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(kPools, error)) {
        const std::string name = entry.path().filename();
        std::uint64_t kilobytes = 0;
        if (!name.starts_with(kPoolPrefix) ||
            std::from_chars(name.data() + kPoolPrefix.size(), name.data() + name.size(), kilobytes)
                    .ec != std::errc()) {
            continue;
        }
        HugePagePool pool;
        pool.page_bytes = kilobytes * 1024;
        pool.total_pages = read_number(entry.path() / "nr_hugepages");
        const std::uint64_t free = read_number(entry.path() / "free_hugepages");
        const std::uint64_t reserved = read_number(entry.path() / "resv_hugepages");
        pool.free_pages = free - std::min(free, reserved);
        pool.mount = find_mount(pool.page_bytes);
        pools.push_back(std::move(pool));
    }
    return pools;
}

Result<HugePageChoice> choose_hugepages(HugePageUse wanted,
                                        const std::vector<HugePagePool>& pools,
                                        std::uint64_t needed_bytes) {
    if (wanted == HugePageUse::kNone) {
        return HugePageChoice{false, "hugepages = \"none\""};
    }
    std::uint64_t most = 0;
    std::uint64_t pages_in_use = 0;  // of the usual size
    for (const HugePagePool& pool : pools) {
        most = std::max(most, pool.free_bytes());
        if (pool.page_bytes == kUsualPageBytes) {
            pages_in_use = pool.total_pages - pool.free_pages;
        }
    }
    if (most >= needed_bytes) {
        return HugePageChoice{true, {}};
    }
    const std::uint64_t needed_pages = round_up(needed_bytes, kUsualPageBytes) / kUsualPageBytes;
    const std::string what = fmt::format(
        "{} MB of huge pages are needed and {} MB are free; `sysctl vm.nr_hugepages={}` makes "
        "enough",
        needed_pages * kUsualPageBytes >> 20U,
        most >> 20U,
        pages_in_use + needed_pages);
    if (wanted == HugePageUse::kRequired) {
        return fail("[engine] hugepages = \"required\": " + what +
                    ", and hugepages = \"auto\" goes without them");
    }
    return HugePageChoice{false, what};
}

}  // namespace fairlead::engine
