// When a neighbor that is needed is asked for, asked again, and given up.
//
// Theory of operation. Packets that pass the kernel by never make it ask, so this does what its own
// packets would do:
//  1. What has no MAC address is asked for until it answers, whatever became of the last question:
//     every second at first, later every five.
//  2. What is known but not sure (the kernel calls it stale: it was written in, announced, or not
//     used) is asked at its MAC address at once. If nobody answers there the entry fails, and by 1.
//     everybody on the link is asked.
//  3. What nobody has confirmed for 60 s is asked in the same way.
//  4. What has not been confirmed for 120 s is lost: nothing is sent to it until it answers.
// What somebody wrote in as permanent is left alone, and believed.
//
// Example: a server that loses its power at 0 s was confirmed at -20 s. The kernel asks again at
// about 10 s, the entry fails at 13 s, and questions go to everybody until it is lost at 100 s.
//
// Pure: no kernel, no clock. Thread: any.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "ctl/neighbor/event.h"

namespace fairlead::neighbor {

constexpr std::chrono::seconds kVerifyAfter{60};
constexpr std::chrono::seconds kLostAfter{120};

// What is known of a neighbor that is needed.
struct Watched {
    std::optional<NeighborEntry> entry;  // as the kernel has it; nullopt: it has none
    Clock::time_point needed{};          // since when
    Clock::time_point answered{};        // last confirmed, at whichever MAC address
    Clock::time_point asked{};           // last asked for by this program
    Clock::time_point missing{};         // since when it has no MAC address
    bool can_be_asked = true;            // its interface is up and has a carrier

    [[nodiscard]] bool is_permanent() const {
        return entry && entry->state == Reachability::kPermanent;
    }
    [[nodiscard]] bool has_mac() const { return entry && entry->mac; }
};

// Takes in what the kernel says now.
void observe(Watched& watched, const std::optional<NeighborEntry>& entry, Clock::time_point now);

enum class Action : std::uint8_t {
    kNone,
    kSolicit,  // ask everybody for it, and have the kernel keep it
    kVerify    // ask it where it is known to be
};
struct Decision {
    Action action = Action::kNone;
    Clock::time_point next{};  // when to decide again if the kernel tells nothing before
};
// `watched.asked` must be set to `now` where the action is taken.
[[nodiscard]] Decision decide(const Watched& watched, Clock::time_point now);

// Whether it counts as gone (4.).
[[nodiscard]] bool is_lost(const Watched& watched, Clock::time_point now);

}  // namespace fairlead::neighbor
