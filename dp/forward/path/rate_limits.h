// How many packets a second a service takes, and how many new flows a second one source may begin:
// token buckets of fixed memory that all workers share without waiting for each other.
//
// Theory of operation
//
// Both kinds of bucket are one atomic word that says until when its tokens are paid for: a token
// costs the time in which it comes back, and one is to be had while the debt stays within the
// burst (the "virtual scheduling" form of the generic cell rate algorithm, ITU-T I.371). Zeros are
// a full bucket, and so is a moment that has passed. A changed rate counts from the next token on.
//
// Packets of a service. A worker takes tokens from the shared word in batches and keeps them as
// its own credit, so at millions of packets a second the word changes hands some thousand times a
// second. When there are none, it does not look again within the same millisecond.
//
//   L1. The burst is kPacketBurstMs of the rate, and one packet at least. A batch is at most a
//       fourth of the burst divided by the workers: so in any second at most the rate, the burst
//       and a fourth of it are forwarded, by all workers together.
//
// New flows of a source. A set of eight words stands in one cache line; a word is 24 bits of the
// source's hash, and its time.
//
//   L2. The burst is what the rate gives in a second.
//   L3. A word whose time has passed says nothing that an absent one would not. So it is free, and
//       what is in use are sources that began flows within the last (flows / rate) seconds.
//   L4. A new source takes a free word of its set, else the one that is free soonest. So a flood of
//       random sources makes the table forget sources that owe little, and the one that owes a
//       whole second last. What is forgotten is in the source's favor: nobody is refused for it.
//   L5. Two sources are taken for one only by the same set and the same 24 bits of a hash whose
//       seed nobody outside knows: 1 in 2 million for a new source against a full set.
//
// Example: kSourceSets = 16,384, hence 131,072 sources in 1 MiB; at new_flows_per_source = 100/s a
// source with one new flow is remembered for 10 ms, so 13 million random SYNs a second fill it.
//
// Ownership: budgets and sources are the engine's, and all workers share them; credits are one
// worker's. Times are milliseconds of one clock that all workers read, each for itself: a worker
// that is up to a second behind the others gives nothing away. A clock that jumps back costs a
// service at most one burst. Every atomic is a word of its own and is read and changed relaxed; it
// pairs with the same word in the other workers.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dp/base/cache_line.h"
#include "dp/base/ids.h"

namespace fairlead {

inline constexpr std::uint64_t kPacketBurstMs = 100;
inline constexpr std::uint32_t kMaxPacketBatch = 256;
inline constexpr std::uint32_t kMaxPacketsPerSecond = 1'000'000'000;
inline constexpr std::uint32_t kMaxNewFlowsPerSecond = 1'000'000;
inline constexpr std::size_t kSourceSets = 16'384;
inline constexpr std::size_t kSourcesPerSet = 8;

// A service's packets.
struct alignas(kCacheLineBytes) PacketBudget {
    std::atomic<std::uint64_t> paid_until = 0;
};

// What one worker has taken of it.
struct PacketCredit {
    std::uint32_t packets = 0;
    std::uint32_t reserved = 0;
    std::uint64_t empty_at = 0;  // the millisecond, plus one, at which there was nothing to take
};

struct alignas(kCacheLineBytes) SourceSet {
    std::array<std::atomic<std::uint64_t>, kSourcesPerSet> sources{};
};

// One worker's view of the buckets. Without them nothing is limited.
class RateLimits {
  public:
    RateLimits() = default;
    // `budgets` and `credits` by service; `sources` are a power of two.
    RateLimits(std::span<PacketBudget> budgets,
               std::span<PacketCredit> credits,
               std::span<SourceSet> sources,
               std::uint32_t workers) noexcept
        : budgets_(budgets), credits_(credits), sources_(sources), workers_(workers) {}

    // Whether one more packet of this service is within `rate` packets a second.
    [[nodiscard]] bool take_packet(ServiceId service,
                                   std::uint32_t rate,
                                   std::uint64_t now_ms) noexcept;

    // Whether this source may begin one more flow within `rate` a second. `source` is a hash of
    // source and service, not 0. Sets `forgot` where another source that owed something had to make
    // room.
    [[nodiscard]] bool take_new_flow(std::uint64_t source,
                                     std::uint32_t rate,
                                     std::uint64_t now_ms,
                                     bool& forgot) noexcept;

  private:
    std::span<PacketBudget> budgets_;
    std::span<PacketCredit> credits_;
    std::span<SourceSet> sources_;
    std::uint32_t workers_ = 1;
};

}  // namespace fairlead
