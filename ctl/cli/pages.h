// Answers of the API as pages for people: JSON in, text out, nothing else.
//
// Every page ends in a newline. `now` is what ages are counted from.
#pragma once

#include <chrono>
#include <string>

#include "ctl/cli/exit_code.h"
#include "ctl/cli/terminal.h"

#include <nlohmann/json.hpp>

namespace fairlead::cli {

using Clock = std::chrono::system_clock;

[[nodiscard]] std::string status_page(const nlohmann::json& status,
                                      const Look& look,
                                      Clock::time_point now);

// One line and its number, as a monitoring plugin: "WARNING: backend portal/app-2 is down".
struct Verdict {
    CheckResult result = CheckResult::kUnknown;
    std::string line;
    bool may_pass = false;  // a worker has not followed yet, which takes it milliseconds
};
[[nodiscard]] Verdict judge(const nlohmann::json& status);

[[nodiscard]] std::string service_table(const nlohmann::json& services, const Look& look);
[[nodiscard]] std::string service_page(const nlohmann::json& service,
                                       const Look& look,
                                       Clock::time_point now);
[[nodiscard]] std::string backend_table(const nlohmann::json& backends,
                                        const Look& look,
                                        Clock::time_point now);
[[nodiscard]] std::string backend_page(const nlohmann::json& backend,
                                       const Look& look,
                                       Clock::time_point now);
[[nodiscard]] std::string health_table(const nlohmann::json& checks,
                                       const Look& look,
                                       Clock::time_point now);

// The counts as a table, then each reason's sentence. Reasons without a packet only with
// `shows_all`.
[[nodiscard]] std::string drops_page(const nlohmann::json& drops, bool shows_all, const Look& look);

[[nodiscard]] std::string trace_page(const nlohmann::json& trace, const Look& look);

// Rows of a name and what is said of it, the names in one column.
class Facts {
  public:
    void add(std::string name, std::string text) {
        rows_.emplace_back(std::move(name), std::move(text));
    }
    [[nodiscard]] std::string render(const Look& look) const;

  private:
    std::vector<std::pair<std::string, std::string>> rows_;
};

// The color of a state: admin, health or effective.
[[nodiscard]] Tone tone_of(std::string_view state);

}  // namespace fairlead::cli
