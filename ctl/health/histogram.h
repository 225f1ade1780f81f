// How long checks took, in buckets that never change, so that series can be added up over a fleet.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>

namespace fairlead::health {

class DurationHistogram {
  public:
    // Upper bounds, inclusive. What is longer is in no bucket but in count().
    static constexpr std::array<std::chrono::microseconds, 14> kBounds{{
        std::chrono::microseconds(500),
        std::chrono::milliseconds(1),
        std::chrono::microseconds(2500),
        std::chrono::milliseconds(5),
        std::chrono::milliseconds(10),
        std::chrono::milliseconds(25),
        std::chrono::milliseconds(50),
        std::chrono::milliseconds(100),
        std::chrono::milliseconds(250),
        std::chrono::milliseconds(500),
        std::chrono::seconds(1),
        std::chrono::milliseconds(2500),
        std::chrono::seconds(5),
        std::chrono::seconds(10),
    }};

    void add(std::chrono::nanoseconds duration) noexcept {
        const auto* bucket = std::lower_bound(kBounds.begin(), kBounds.end(), duration);
        if (bucket != kBounds.end()) {
            ++buckets_[static_cast<std::size_t>(bucket - kBounds.begin())];
        }
        ++count_;
        sum_ += duration;
    }

    // Not cumulative: how many were in (kBounds[i - 1], kBounds[i]].
    [[nodiscard]] const std::array<std::uint64_t, kBounds.size()>& buckets() const noexcept {
        return buckets_;
    }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] std::chrono::nanoseconds sum() const noexcept { return sum_; }

  private:
    std::array<std::uint64_t, kBounds.size()> buckets_{};
    std::uint64_t count_ = 0;
    std::chrono::nanoseconds sum_{};
};

}  // namespace fairlead::health
