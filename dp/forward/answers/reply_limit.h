// How many replies a worker sends: a token bucket for each kind of reply, in fixed memory.
//
// RFC 1812, 4.3.2.8 and RFC 4443, 2.4 (f) want a limit on ICMP errors, since anybody can ask for
// them with a forged source. Each kind has a bucket of its own: a flood of pings must not take the
// Packet Too Big away without which an upload hangs. Thread: its worker's. Time is the caller's
// clock in milliseconds; one that stands still gives nothing, one that jumps back nothing either.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "dp/shm/reply_kind.h"

namespace fairlead {

class ReplyLimit {
  public:
    static constexpr std::uint64_t kRepliesPerSecond = 1'000;
    static constexpr std::uint64_t kBurst = 250;

    // Whether a reply of this kind may be sent now; if so, it is paid for.
    [[nodiscard]] bool take(ReplyKind kind, std::uint64_t now_ms) noexcept {
        Bucket& bucket = buckets_[static_cast<std::size_t>(kind)];
        const std::uint64_t elapsed_ms = now_ms > bucket.filled_ms ? now_ms - bucket.filled_ms : 0;
        // A token is a thousand parts, of which a millisecond brings kRepliesPerSecond.
        bucket.parts =
            std::min(bucket.parts + std::min(elapsed_ms, kFullAfterMs) * kRepliesPerSecond, kFull);
        bucket.filled_ms = now_ms;
        if (bucket.parts < kToken) {
            return false;
        }
        bucket.parts -= kToken;
        return true;
    }

  private:
    static constexpr std::uint64_t kToken = 1'000;
    static constexpr std::uint64_t kFull = kBurst * kToken;
    static constexpr std::uint64_t kFullAfterMs = kFull / kRepliesPerSecond + 1;

    struct Bucket {
        std::uint64_t parts = kFull;
        std::uint64_t filled_ms = 0;
    };
    std::array<Bucket, kReplyKindCount> buckets_;
};

}  // namespace fairlead
