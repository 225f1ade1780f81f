// Configurations for tests: whole ones that parse, made of parts that a test replaces.
#pragma once

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "conf/schema/parse.h"

namespace fairlead::conf {

// Tables that every configuration needs. Three lines: what follows it begins at line 4.
inline constexpr std::string_view kHead =
    "engine = { cpus = \"0\" }\nport = [{ name = \"p\", interface = \"eth0\" }]\n\n";
// The same without a port, two lines.
inline constexpr std::string_view kEngineOnly = "engine = { cpus = \"0\" }\n\n";

// "LINE:COLUMN MESSAGE" for every error in `text`, in their order; empty if it parses.
[[nodiscard]] inline std::vector<std::string> errors_of(std::string_view text) {
    const auto result = parse_config(text, "test.toml");
    std::vector<std::string> lines;
    if (!result) {
        for (const ConfigError& error : result.error()) {
            std::ostringstream line;
            line << error.line << ':' << error.column << ' ' << error.message;
            lines.push_back(line.str());
        }
    }
    return lines;
}

[[nodiscard]] inline std::vector<std::string> errors_after_head(std::string_view text) {
    return errors_of(std::string(kHead) + std::string(text));
}

}  // namespace fairlead::conf
