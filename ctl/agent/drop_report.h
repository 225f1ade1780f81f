// Says in the log, and not too often, that tunnel packets are dropped and why.
//
// Pure but for the log lines that it returns; the clock is the caller's. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "bpf/loader/decap_loader.h"

namespace fairlead::agent {

class DropReport {
  public:
    using Clock = std::chrono::steady_clock;
    // The same reason is told at most once in this time.
    static constexpr std::chrono::seconds kInterval{10};

    struct Line {
        decap_outcome reason{};
        std::uint64_t packets = 0;  // since the last line about it
        std::uint64_t total = 0;

        friend bool operator==(const Line&, const Line&) = default;
    };

    // `before` is what was counted already when the program came: not worth a line.
    explicit DropReport(const DecapCounters& before = {});

    // What is to be told about `counters` now: the reasons that have grown since they were last
    // told.
    [[nodiscard]] std::vector<Line> observe(const DecapCounters& counters, Clock::time_point now);

  private:
    struct Told {
        std::uint64_t total = 0;
        std::optional<Clock::time_point> at;
    };
    std::array<Told, DECAP_OUTCOME_COUNT> told_{};
};

}  // namespace fairlead::agent
