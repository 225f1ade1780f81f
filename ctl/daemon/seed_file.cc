#include "ctl/daemon/seed_file.h"

#include <cerrno>
#include <charconv>
#include <system_error>

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "ctl/model/atomic_file.h"
#include "dp/base/error_text.h"

namespace fairlead::daemon {
namespace {

constexpr std::size_t kMaxBytes = 256;
constexpr mode_t kMode = 0640;
constexpr mode_t kDirectoryMode = 0755;
constexpr std::string_view kBlanks = " \t\r\n";

Result<std::uint64_t> make_seed(const std::string& path) {
    std::uint64_t seed = 0;
    if (::getrandom(&seed, sizeof seed, 0) != sizeof seed) {
        return fail("the kernel gives no random number: " + error_text(errno));
    }
    // On a new host nobody has made /etc/fairlead yet. What cannot be made, the next step tells.
    if (const std::size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0) {
        static_cast<void>(::mkdir(path.substr(0, slash).c_str(), kDirectoryMode));
    }
    if (Status written = model::write_file_atomically(path, fmt::format("{:016x}\n", seed), kMode);
        !written) {
        return fail("there is no seed file and none can be made: " + written.error().message +
                    "; copy another balancer's, or set [node] seed_file");
    }
    return seed;
}

}  // namespace

Result<std::uint64_t> parse_seed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(kBlanks);
    text = begin == std::string_view::npos ? "" : text.substr(begin);
    text = text.substr(0, text.find_last_not_of(kBlanks) + 1);
    std::uint64_t seed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed, 16);
    if (error != std::errc{} || end != text.data() + text.size() || text.size() > 16) {
        return fail("expected 16 hexadecimal digits, such as 5f2ac09b1d77e340");
    }
    return seed;
}

Result<std::uint64_t> load_seed(const std::string& path) {
    bool is_missing = false;
    const Result<std::string> text = model::read_file(path, kMaxBytes, is_missing);
    if (is_missing) {
        return make_seed(path);
    }
    if (!text) {
        return fail("[node] seed_file: " + text.error().message);
    }
    Result<std::uint64_t> seed = parse_seed(*text);
    if (!seed) {
        return fail("[node] seed_file " + path + " holds no seed: " + seed.error().message +
                    "; copy another balancer's, or remove the file to have a new one made");
    }
    return seed;
}

}  // namespace fairlead::daemon
