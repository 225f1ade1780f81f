// How many of the other workers' flow tables a worker looks into: a token bucket in fixed memory.
//
// A packet that is no SYN and that the own table does not know may belong to another worker's flow,
// so every other table is searched: two cache lines each, which nobody has in cache. Anybody can
// send such packets. Without a limit, one ACK of a random source would cost a worker among 64 a
// hundred times what an ordinary packet costs.
//
// The rate leaves the worker most of its time: a table costs 30 to 130 ns, so all of it some 10 %.
// The burst is for an hour in which workers became more or fewer and every flow is to be found
// again: 4 million flows at once with one other worker, 66 thousand with 63. Thread: its worker's.
// Time is the caller's clock in milliseconds; one that stands still or jumps back gives nothing.
#pragma once

#include <algorithm>
#include <cstdint>

namespace fairlead {

class SearchLimit {
  public:
    static constexpr std::uint64_t kTablesPerMs = 1'024;
    static constexpr std::uint64_t kBurstMs = 4'096;
    static constexpr std::uint64_t kBurst = kTablesPerMs * kBurstMs;

    // Whether this many tables may be searched now; if so, they are paid for.
    [[nodiscard]] bool take(std::uint64_t tables, std::uint64_t now_ms) noexcept {
        if (now_ms > filled_ms_) {
            left_ =
                std::min(left_ + std::min(now_ms - filled_ms_, kBurstMs) * kTablesPerMs, kBurst);
        }
        filled_ms_ = now_ms;
        if (left_ < tables) {
            return false;
        }
        left_ -= tables;
        return true;
    }

  private:
    std::uint64_t left_ = kBurst;
    std::uint64_t filled_ms_ = 0;
};

}  // namespace fairlead
