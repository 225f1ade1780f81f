#include "dp/base/log.h"

#include <algorithm>

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace fairlead {
namespace {

bool is_plain(char character) {
    const auto code = static_cast<unsigned char>(character);  // Bytes above 0x7F are UTF-8.
    return code > ' ' && code != 0x7F && character != '"' && character != '=' && character != '\\';
}

void append_quoted(std::string& line, std::string_view value) {
    line += '"';
    for (const char character : value) {
        const auto code = static_cast<unsigned char>(character);
        if (character == '"' || character == '\\') {
            line += '\\';
            line += character;
        } else if (character == '\n') {
            line += "\\n";
        } else if (code < ' ' || code == 0x7F) {
            line += fmt::format("\\x{:02x}", code);
        } else {
            line += character;
        }
    }
    line += '"';
}

spdlog::logger& logger() {
    static const std::shared_ptr<spdlog::logger> instance = [] {
        auto made = std::make_shared<spdlog::logger>(
            "fairlead", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
        made->flush_on(spdlog::level::info);
        return made;
    }();
    return *instance;
}

}  // namespace

std::string format_log_line(std::string_view event, LogFields fields) {
    std::string line = "event=";
    line += event;
    for (const LogField& field : fields) {
        line += ' ';
        line += field.key();
        line += '=';
        const std::string_view value = field.value();
        if (!value.empty() && std::all_of(value.begin(), value.end(), is_plain)) {
            line += value;
        } else {
            append_quoted(line, value);
        }
    }
    return line;
}

void log_info(std::string_view event, LogFields fields) {
    logger().info("{}", format_log_line(event, fields));
}

void log_warning(std::string_view event, LogFields fields) {
    logger().warn("{}", format_log_line(event, fields));
}

void log_error(std::string_view event, LogFields fields) {
    logger().error("{}", format_log_line(event, fields));
}

}  // namespace fairlead
