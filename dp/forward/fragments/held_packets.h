// Fragments that wait for the first one of their datagram: a worker's own queue, of fixed size.
//
// A packet whose verdict was Action::kHold goes in, and is offered to forward_burst() again with
// every offer() until it gets another verdict, has waited for kHoldMs, or is the oldest when a
// newer one needs its place. That the oldest goes keeps the queue useful in a flood: pieces that
// the network has reordered meet their first one within milliseconds, forged ones never do. A
// packet is counted when it leaves.
//
// Cost: an offer() looks at every held packet, some 100 ns each; the queue's size bounds it.
// Thread: one. Memory: packets belong to the caller, `owner` is its word for one, given back as it
// came.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include "dp/base/burst.h"
#include "dp/forward/pipeline.h"

namespace fairlead {

inline constexpr std::uint64_t kHoldMs = 1'000;

// One packet that leaves the queue, with its final verdict.
struct Released {
    Packet packet;
    Verdict verdict;
    void* owner = nullptr;
    PortIndex port{};  // that received it
};

class HeldPackets {
  public:
    static constexpr std::size_t kCapacity = 256;

    // Keeps a packet that forward_burst() has just called kHold, unchanged. Returns what had to go
    // for it, counted, or one without an owner. Requires owner != nullptr.
    [[nodiscard]] Released add(ForwardContext& context, const Packet& packet, void* owner) noexcept;

    // Offers every packet once, and calls release(const Released&) for each that leaves.
    template <typename Release>
    void offer(ForwardContext& context,
               Release&& release) noexcept(std::is_nothrow_invocable_v<Release&, const Released&>) {
        std::array<Released, kBurstPackets> leaving;
        for (std::size_t left = size_; left > 0;) {
            const std::size_t count = oldest_of_a_port(std::min(left, kBurstPackets));
            const std::size_t leaving_count = offer_oldest(context, count, leaving);
            for (std::size_t i = 0; i < leaving_count; ++i) {
                release(std::as_const(leaving[i]));
            }
            left -= count;
        }
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

  private:
    struct Held {
        Packet packet;
        void* owner = nullptr;
        PortIndex port{};  // that received it
        std::uint64_t until_ms = 0;
    };

    // How many of the oldest came by one port, at most `limit`: a burst is of one port.
    [[nodiscard]] std::size_t oldest_of_a_port(std::size_t limit) const noexcept;
    // Takes the `count` oldest out, offers them, and puts those that stay to the end, in their
    // order.
    [[nodiscard]] std::size_t offer_oldest(ForwardContext& context,
                                           std::size_t count,
                                           std::span<Released> leaving) noexcept;
    [[nodiscard]] Held take_oldest() noexcept;
    void put(const Held& held) noexcept;

    std::array<Held, kCapacity> held_;  // oldest first, from first_ on, around the end
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

}  // namespace fairlead
