// TOML text in, a Config or every error in it out.
//
// Thread: any; no state. Bounds: kMaxConfigBytes of text; what the segments can hold is checked
// here too, so that a Config that parses can be published. Exceptions of toml++ end in parse.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conf/schema/config.h"
#include "dp/base/result.h"

namespace fairlead::conf {

inline constexpr std::size_t kMaxConfigBytes = 64U << 20U;

// One mistake, where an editor can jump to it.
struct ConfigError {
    std::string file;
    std::uint32_t line = 0;    // 1-based; 0: the file as a whole
    std::uint32_t column = 0;  // 1-based
    std::string
        message;  // "unknown key \"weihgt\" in [[service.backend]]; did you mean \"weight\"?"
    std::string source_line;  // the text of that line, for the caret
};

using ConfigErrors = std::vector<ConfigError>;

// `file` is the name that errors carry. All errors are found, not the first; a Config is returned
// only if there is none.
[[nodiscard]] Result<Config, ConfigErrors> parse_config(std::string_view text,
                                                        std::string_view file);
// Reads and parses. A file that is missing, unreadable, empty or too large is one error.
[[nodiscard]] Result<Config, ConfigErrors> load_config(const std::string& path);

// "fairlead.toml:41:1: error: ...\n   41 | weihgt = 3\n      | ^\n" for each error, as a compiler
// would.
[[nodiscard]] std::string describe(const ConfigErrors& errors);

}  // namespace fairlead::conf
