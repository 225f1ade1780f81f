// What the words of a Command mean: how long it waits, and which backends it names.
#include <algorithm>

#include <fmt/format.h>

#include "ctl/cli/command_line.h"

namespace fairlead::cli {

std::chrono::milliseconds Command::for_workers() const {
    using std::chrono::minutes;
    using std::chrono::seconds;
    const bool ends_flows = word == Word::kBackendDrain || word == Word::kBackendRemove;
    const std::chrono::milliseconds longest =
        ends_flows ? std::chrono::milliseconds(seconds(30)) : minutes(10);
    return std::min(timeout.value_or(seconds(30)), longest);
}

std::string Command::query() const {
    std::string query;
    if (waits) {
        query += fmt::format("?wait={}ms", for_workers().count());
    }
    if (is_forced) {
        query += query.empty() ? "?force=1" : "&force=1";
    }
    return query;
}

std::chrono::milliseconds Command::for_flows() const {
    return timeout.value_or(std::chrono::minutes(5));
}

Result<Selection> parse_selection(const std::string& text) {
    const std::size_t slash = text.find('/');
    const bool is_pair = slash != std::string::npos && slash > 0 && slash + 1 < text.size() &&
                         text.find('/', slash + 1) == std::string::npos;
    if (!is_pair) {
        return fail(fmt::format(
            "\"{}\" names no backend: expected SERVICE/BACKEND, such as portal/app-1", text));
    }
    return Selection{text.substr(0, slash), text.substr(slash + 1)};
}

}  // namespace fairlead::cli
