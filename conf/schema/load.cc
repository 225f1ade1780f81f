#include <cerrno>
#include <fstream>

#include <fmt/format.h>
#include <sys/stat.h>

#include "conf/schema/parse.h"
#include "dp/base/error_text.h"

namespace fairlead::conf {

namespace {

[[nodiscard]] Unexpected<ConfigErrors> refuse(const std::string& path, std::string message) {
    return {ConfigErrors{ConfigError{.file = path, .message = std::move(message)}}};
}

}  // namespace

Result<Config, ConfigErrors> load_config(const std::string& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) {
        return refuse(path, fmt::format("cannot be read: {}", error_text(errno)));
    }
    if (!S_ISREG(status.st_mode)) {
        return refuse(path, "is not a file");
    }
    if (static_cast<std::uint64_t>(status.st_size) > kMaxConfigBytes) {
        return refuse(path,
                      fmt::format("{} bytes are too many for a configuration; it may have {}",
                                  status.st_size,
                                  kMaxConfigBytes));
    }
    std::ifstream stream(path, std::ios::binary);
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    stream.read(text.data(), status.st_size);
    if (!stream || stream.gcount() != status.st_size) {
        return refuse(path, fmt::format("cannot be read: {}", error_text(errno)));
    }
    // A file cut short in its last line can still be TOML, and mean something else: weight = 1 for
    // weight = 10.
    if (!text.empty() && text.back() != '\n') {
        return refuse(
            path,
            "the last line does not end: the file may be half written (end it with a newline)");
    }
    return parse_config(text, path);
}

}  // namespace fairlead::conf
