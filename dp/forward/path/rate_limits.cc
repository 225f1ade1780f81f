#include "dp/forward/path/rate_limits.h"

#include <algorithm>

namespace fairlead {

namespace {

// Other workers may change a word between a look and the store; so often this worker looks again.
constexpr int kTries = 8;

// Times of packet budgets count in 2^-20 ms: a packet of a billion a second is one.
constexpr unsigned kBudgetShift = 20;
constexpr std::uint64_t kBudgetSecond = std::uint64_t{1'000} << kBudgetShift;

// Takes up to `wanted` packets; returns how many.
[[nodiscard]] std::uint32_t take_batch(std::atomic<std::uint64_t>& word,
                                       std::uint32_t rate,
                                       std::uint32_t wanted,
                                       std::uint64_t now_ms) noexcept {
    const std::uint64_t now = now_ms << kBudgetShift;
    const std::uint64_t burst = std::max(kPacketBurstMs << kBudgetShift, kBudgetSecond / rate + 1);
    std::uint64_t paid_until = word.load(std::memory_order_relaxed);
    for (int i = 0; i < kTries; ++i) {
        const std::uint64_t ahead = paid_until > now ? paid_until - now : 0;
        // A worker whose clock is a little behind sees more than the burst; a clock that has jumped
        // back shows far more, and then the debt begins anew.
        const bool is_clock_back = ahead > burst + kBudgetSecond;
        const std::uint64_t debt = std::min(ahead, burst);
        const std::uint64_t left = (burst - debt) * rate / kBudgetSecond;
        const auto taken = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, wanted));
        if (taken == 0 && !is_clock_back) {
            return 0;
        }
        const std::uint64_t paid = now + debt + taken * kBudgetSecond / rate;
        if (word.compare_exchange_weak(paid_until, paid, std::memory_order_relaxed)) {
            return taken;
        }
    }
    return 0;
}

// A source's word: bits 0..39 its time in 2^-14 ms, modulo 19 hours; bits 40..63 its hash, never 0.
// A word that nobody has touched for 19 hours may seem to owe something again, for two seconds.
constexpr unsigned kSourceShift = 14;
constexpr unsigned kTimeBits = 40;
constexpr std::uint64_t kTimeMask = (std::uint64_t{1} << kTimeBits) - 1;
constexpr std::uint64_t kSourceSecond = std::uint64_t{1'000} << kSourceShift;

// How long the source still owes, at most a second; 0: the word is free. To a worker whose clock is
// behind, it may seem to be more than a second.
[[nodiscard]] std::uint64_t debt_of(std::uint64_t word, std::uint64_t now) noexcept {
    const std::uint64_t debt = (word - now) & kTimeMask;
    return debt <= 2 * kSourceSecond ? std::min(debt, kSourceSecond) : 0;
}

}  // namespace

bool RateLimits::take_packet(ServiceId service, std::uint32_t rate, std::uint64_t now_ms) noexcept {
    const std::size_t index = to_number(service);
    if (index >= budgets_.size() || index >= credits_.size()) {
        return true;
    }
    PacketCredit& credit = credits_[index];
    if (credit.packets == 0) {
        if (credit.empty_at == now_ms + 1) {
            return false;
        }
        const std::uint64_t burst = rate * kPacketBurstMs / 1'000;
        const auto batch = static_cast<std::uint32_t>(
            std::clamp<std::uint64_t>(burst / 4 / workers_, 1, kMaxPacketBatch));
        credit.packets = take_batch(budgets_[index].paid_until, rate, batch, now_ms);
        if (credit.packets == 0) {
            credit.empty_at = now_ms + 1;
            return false;
        }
    }
    --credit.packets;
    return true;
}

bool RateLimits::take_new_flow(std::uint64_t source,
                               std::uint32_t rate,
                               std::uint64_t now_ms,
                               bool& forgot) noexcept {
    if (sources_.empty()) {
        return true;
    }
    const std::uint64_t now = (now_ms << kSourceShift) & kTimeMask;
    const std::uint64_t cost = std::max<std::uint64_t>(kSourceSecond / rate, 1);
    const std::uint64_t name = std::max<std::uint64_t>(source >> kTimeBits, 1) << kTimeBits;
    auto& words = sources_[source & (sources_.size() - 1)].sources;
    for (int i = 0; i < kTries; ++i) {
        std::atomic<std::uint64_t>* place = nullptr;
        std::uint64_t before = 0;
        std::uint64_t debt = ~std::uint64_t{0};
        bool is_known = false;
        for (std::atomic<std::uint64_t>& word : words) {
            const std::uint64_t value = word.load(std::memory_order_relaxed);
            is_known = (value & ~kTimeMask) == name;
            const std::uint64_t owed = debt_of(value, now);
            if (is_known || owed < debt) {
                place = &word;
                before = value;
                debt = owed;
            }
            if (is_known) {
                break;
            }
        }
        const std::uint64_t owed_now = (is_known ? debt : 0) + cost;
        if (owed_now > kSourceSecond) {
            return false;
        }
        if (place->compare_exchange_weak(
                before, name | ((now + owed_now) & kTimeMask), std::memory_order_relaxed)) {
            forgot = !is_known && debt != 0;
            return true;
        }
    }
    return true;  // the others have changed the set that often: they count for this one
}

}  // namespace fairlead
