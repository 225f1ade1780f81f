// One tracked flow in one 64-bit word, its states, and how long each lives without a packet.
//
//     bits  0..8    deadline: the tick at which it has been idle for too long, modulo 512
//     bits  9..11   state; 0 in an empty entry, which is 0 as a whole
//     bits 12..17   incarnation of the backend's index
//     bits 18..31   backend
//     bits 32..63   signature: the high half of the flow hash
//
// The word holds the deadline, not the time of the last packet: what a flow may idle depends on its
// protocol and state, which the packet at hand shows and the sweeper would have to look up.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dp/base/ids.h"
#include "dp/shm/flow_state.h"

namespace fairlead {

// A coarse clock: whole units of kSecondsPerFlowTick since a moment of the caller's choice. It is
// kept in the `flows` segment, so a new engine goes on where the last one stopped.
enum class FlowTick : std::uint64_t {
};
inline constexpr std::uint64_t kSecondsPerFlowTick = 8;

// What a packet means to its flow. The client's packets alone are seen: the backend answers past
// us.
enum class FlowEvent : std::uint8_t {
    kData,         // TCP with content, none of the others
    kOpen,         // TCP SYN without ACK
    kClose,        // TCP FIN or RST
    kDatagram,     // UDP
    kAcknowledge,  // TCP without content, none of the others
};
inline constexpr std::size_t kFlowEventCount = 5;

class FlowEntry {
  public:
    static constexpr unsigned kDeadlineBits = 9;
    static constexpr std::uint32_t kDeadlineMask = (1U << kDeadlineBits) - 1;
    static constexpr std::uint32_t kStateMask = 7;
    static_assert(kStateMask < kFlowStateCodes);
    static constexpr std::uint32_t kBackendMask = 0x3FFF;
    static constexpr std::uint32_t kIncarnationMask = 0x3F;

    constexpr FlowEntry() = default;
    constexpr explicit FlowEntry(std::uint64_t raw) noexcept : raw_(raw) {}
    // An entry whose time is not set yet.
    [[nodiscard]] static constexpr FlowEntry make(std::uint32_t signature,
                                                  BackendIndex backend,
                                                  std::uint32_t incarnation,
                                                  FlowState state) noexcept {
        return FlowEntry(std::uint64_t{signature} << 32U |
                         std::uint64_t{to_number(backend) & kBackendMask} << 18U |
                         std::uint64_t{incarnation & kIncarnationMask} << 12U |
                         std::uint64_t{static_cast<std::uint8_t>(state)} << kDeadlineBits);
    }

    [[nodiscard]] constexpr std::uint64_t raw() const noexcept { return raw_; }
    [[nodiscard]] constexpr bool is_empty() const noexcept { return raw_ == 0; }
    [[nodiscard]] constexpr std::uint32_t signature() const noexcept {
        return static_cast<std::uint32_t>(raw_ >> 32U);
    }
    [[nodiscard]] constexpr BackendIndex backend() const noexcept {
        return BackendIndex{static_cast<std::uint16_t>((raw_ >> 18U) & kBackendMask)};
    }
    [[nodiscard]] constexpr std::uint32_t incarnation() const noexcept {
        return static_cast<std::uint32_t>(raw_ >> 12U) & kIncarnationMask;
    }
    [[nodiscard]] constexpr FlowState state() const noexcept {
        return static_cast<FlowState>((raw_ >> kDeadlineBits) & kStateMask);
    }

    // Ticks until the deadline, negative after it. The 9 bits tell kMaxIdleTicks ahead from the
    // rest, which is past: so an entry must be swept within 2^9 - kMaxIdleTicks ticks (8 minutes)
    // of its end, or it is taken for a fresh one and lives once more.
    [[nodiscard]] constexpr std::int32_t ticks_left(FlowTick now) const noexcept;

    [[nodiscard]] constexpr FlowEntry with(FlowState state,
                                           std::uint32_t idle_ticks,
                                           FlowTick now) const noexcept {
        const std::uint64_t deadline = (to_number(now) + idle_ticks) & kDeadlineMask;
        const std::uint64_t rest = raw_ & ~std::uint64_t{0xFFF};
        return FlowEntry(rest | std::uint64_t{static_cast<std::uint8_t>(state)} << kDeadlineBits |
                         deadline);
    }

    friend constexpr bool operator==(FlowEntry, FlowEntry) = default;

  private:
    std::uint64_t raw_ = 0;
};
static_assert(sizeof(FlowEntry) == 8);

// Idle times, in ticks. An entry goes between this and one tick later.
//
// Unproven is what a client needs to answer a SYN-ACK that was lost twice. Established TCP outlives
// a lending officer's long telephone call; a longer silence needs keepalives, as it does for every
// firewall on the way (RFC 5382, REQ-5 asks for 2 h 4 min of NATs, whose bindings cannot be
// computed again; here the ring still knows most flows). Closing covers a server that takes two
// minutes for its answer to a client that has closed its sending side, and a little more. UDP as
// RFC 4787, REQ-5.
inline constexpr std::uint32_t kUnprovenTicks = 64 / kSecondsPerFlowTick;
inline constexpr std::uint32_t kEstablishedTicks = 3'600 / kSecondsPerFlowTick;
inline constexpr std::uint32_t kClosingTicks = 136 / kSecondsPerFlowTick;
inline constexpr std::uint32_t kDatagramTicks = 120 / kSecondsPerFlowTick;
inline constexpr std::uint32_t kMaxIdleTicks = kEstablishedTicks;
// What has been closing without a packet for so long gives way to new flows in a full table
// (flow_table.h, F5): almost always the connection is over.
inline constexpr std::uint32_t kClosingGraceTicks = 32 / kSecondsPerFlowTick;
static_assert(kClosingGraceTicks < kClosingTicks);
static_assert(kMaxIdleTicks + 60 < FlowEntry::kDeadlineMask);

constexpr std::int32_t FlowEntry::ticks_left(FlowTick now) const noexcept {
    const auto ahead =
        static_cast<std::int32_t>((raw_ - to_number(now)) & std::uint64_t{kDeadlineMask});
    return ahead <= static_cast<std::int32_t>(kMaxIdleTicks)
               ? ahead
               : ahead - static_cast<std::int32_t>(kDeadlineMask) - 1;
}

// The state of a flow after a packet. A close of an unproven flow leaves it unproven: two forged
// packets buy no better place than one. A close need not be the client's own: sequence numbers are
// not followed here, and so anybody who knows the ports can send one. Only the backend can tell,
// and what it would have refused must cost the flow nothing. So content makes a closing flow
// established again, which a client that has closed sends no more (but for content that was lost on
// the way and comes behind the FIN: such a flow idles for an hour). An acknowledgement leaves it
// closing, since the last one of every connection comes behind its FIN. The table may keep a
// datagram from proving its flow, by a quota (flow_table.h, F4).
[[nodiscard]] constexpr FlowState next_state(FlowState state, FlowEvent event) noexcept {
    switch (event) {
        case FlowEvent::kOpen:
            return state == FlowState::kEstablished ? state : FlowState::kUnproven;
        case FlowEvent::kData:
            return FlowState::kEstablished;
        case FlowEvent::kAcknowledge:
            return state == FlowState::kClosing ? state : FlowState::kEstablished;
        case FlowEvent::kClose:
            return state == FlowState::kUnproven ? state : FlowState::kClosing;
        case FlowEvent::kDatagram:
            return FlowState::kDatagram;
    }
    return state;
}

// How long a flow of this state may idle from this packet on.
[[nodiscard]] constexpr std::uint32_t idle_ticks(FlowState state, FlowEvent event) noexcept {
    switch (state) {
        case FlowState::kEmpty:
            return 0;
        case FlowState::kUnproven:
            return event == FlowEvent::kClose ? kClosingTicks : kUnprovenTicks;
        case FlowState::kEstablished:
            return kEstablishedTicks;
        case FlowState::kClosing:
            return kClosingTicks;
        case FlowState::kDatagram:
            return kDatagramTicks;
    }
    return 0;
}

// The entry as the packet leaves it.
[[nodiscard]] constexpr FlowEntry after_packet(FlowEntry entry,
                                               FlowEvent event,
                                               FlowTick now) noexcept {
    const FlowState state = next_state(entry.state(), event);
    return entry.with(state, idle_ticks(state, event), now);
}

// Knows, for packets of one moment, which of them change nothing of their flow's entry: almost all,
// since a deadline moves once a tick. Asking is a fraction of after_packet().
class SettledEntries {
  public:
    explicit constexpr SettledEntries(FlowTick now) noexcept
        : low_parts_{low_part(FlowState::kEstablished, FlowEvent::kData, now),
                     low_part(FlowState::kEstablished, FlowEvent::kOpen, now),
                     low_part(FlowState::kClosing, FlowEvent::kClose, now),
                     low_part(FlowState::kDatagram, FlowEvent::kDatagram, now),
                     low_part(FlowState::kEstablished, FlowEvent::kAcknowledge, now)} {}

    // True: after_packet() would return the entry as it is. False: it may.
    [[nodiscard]] constexpr bool has(FlowEntry entry, FlowEvent event) const noexcept {
        return (entry.raw() & kLowPart) == low_parts_[static_cast<std::size_t>(event)];
    }

  private:
    static constexpr std::uint64_t kLowPart = 0xFFF;  // state and deadline

    // Requires a state that such a packet leaves as it is.
    static constexpr std::uint16_t low_part(FlowState state,
                                            FlowEvent event,
                                            FlowTick now) noexcept {
        return static_cast<std::uint16_t>(
            FlowEntry{}.with(state, idle_ticks(state, event), now).raw());
    }

    std::array<std::uint16_t, kFlowEventCount> low_parts_;  // by event
};

}  // namespace fairlead
