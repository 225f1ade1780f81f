// What to say of changes that were mended and of problems that stand, so that a fight with another
// program does not fill the log, and nothing is kept from it.
//
// A change is told at once if nothing was told of its kind in the last interval, otherwise at its
// end, with their number. A problem is told when it comes, when it is another one (again not more
// often than that), now and then while it stands, and when it is over. Plain values; one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace fairlead::agent {

class WatchReport {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds kInterval{10};
    static constexpr std::chrono::seconds kReminder{600};

    // Another program has changed `what`, and it is as it should be again.
    void mended(const std::string& what, std::string detail);
    // `what` has this problem as of now. A warning is one that may be meant so.
    enum class Level : std::uint8_t {
        kWarning,
        kError
    };
    void problem(const std::string& what, std::string detail, Level level = Level::kError);
    // It has none.
    void no_problem(const std::string& what);

    enum class Kind : std::uint8_t {
        kMended,
        kWarning,
        kError,
        kOver
    };
    struct Line {
        Kind kind;
        std::string what;
        std::string detail;       // of the last change, or of the problem
        std::uint64_t times = 0;  // changes since the last line
        std::uint64_t total = 0;  // and in all

        friend bool operator==(const Line&, const Line&) = default;
    };
    // What is to be told now.
    [[nodiscard]] std::vector<Line> lines(Clock::time_point now);

  private:
    struct Changes {
        std::uint64_t untold = 0;
        std::uint64_t total = 0;
        std::string detail;
        std::optional<Clock::time_point> told_at;
    };
    struct Problem {
        std::string detail;
        std::string told;  // empty: not yet
        Clock::time_point told_at;
        Level level = Level::kError;
        bool is_over = false;
    };
    [[nodiscard]] static bool is_due(const Problem& problem, Clock::time_point now);

    std::map<std::string, Changes> changes_;
    std::map<std::string, Problem> problems_;
};

}  // namespace fairlead::agent
