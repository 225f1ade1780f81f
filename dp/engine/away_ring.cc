#include "dp/engine/away_ring.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "bpf/abi/flow_hash.h"

namespace fairlead::engine {
namespace {

constexpr std::uint16_t kOwner = STEER_SLOT_BACKEND | STEER_SLOT_EMPTY;

std::uint16_t owner_of(std::uint16_t index) {
    return index <= STEER_SLOT_BACKEND ? index : std::uint16_t{STEER_SLOT_EMPTY};
}

}  // namespace

// The steering programs read slots meanwhile, each by itself and in no order.
std::uint16_t AwayRing::load(std::uint32_t slot) const {
    return std::atomic_ref(memory_->slots[slot]).load(std::memory_order_relaxed);
}

void AwayRing::store(std::uint32_t slot, std::uint16_t value) {
    std::atomic_ref(memory_->slots[slot]).store(value, std::memory_order_relaxed);
}

AwayRing::AwayRing(steer_ring& memory, Shape shape, bool is_taken_over)
    : memory_(&memory),
      shape_{std::min<std::uint32_t>(shape.entries, STEER_RING_SLOTS), shape.is_by_source},
      astray_(shape_.entries, kNow | kBefore) {
    for (std::uint32_t slot = 0; slot < shape_.entries; ++slot) {
        if (!is_taken_over) {
            store(slot, STEER_SLOT_EMPTY);
        } else if ((load(slot) & STEER_SLOT_SETTLED) != 0) {
            astray_[slot] = 0;
            continue;
        }
        ++unsettled_;
    }
}

void AwayRing::follow(std::span<const std::uint16_t> ring) {
    const auto entries =
        static_cast<std::uint32_t>(std::min<std::size_t>(ring.size(), shape_.entries));
    for (std::uint32_t slot = 0; slot < entries; ++slot) {
        const std::uint16_t owner = owner_of(ring[slot]);
        const std::uint16_t before = load(slot);
        if ((before & kOwner) == owner) {
            continue;
        }
        store(slot, owner);
        astray_[slot] = kNow | kBefore;
        unsettled_ += (before & STEER_SLOT_SETTLED) != 0 ? 1 : 0;
        is_quiet_ = false;
    }
}

void AwayRing::see(std::uint32_t signature, BackendIndex backend) {
    has_flows_now_ = true;
    if (shape_.is_by_source) {
        return;
    }
    const std::uint32_t slot = fl_ring_slot(std::uint64_t{signature} << 32U, shape_.entries);
    if ((load(slot) & kOwner) != to_number(backend)) {
        astray_[slot] |= kNow;
        is_quiet_ = false;
    }
}

void AwayRing::end_pass() {
    const bool has_flows = has_flows_now_ || had_flows_before_;
    had_flows_before_ = std::exchange(has_flows_now_, false);
    if (is_quiet_) {
        return;
    }
    bool is_quiet = true;
    unsettled_ = 0;
    for (std::uint32_t slot = 0; slot < shape_.entries; ++slot) {
        const std::uint8_t astray = astray_[slot];
        astray_[slot] = (astray & kNow) != 0 ? kBefore : std::uint8_t{0};
        const std::uint16_t value = load(slot);
        const bool was_settled = (value & STEER_SLOT_SETTLED) != 0;
        const bool is_settled =
            shape_.is_by_source ? was_settled || (astray == 0 && !has_flows) : astray == 0;
        if (is_settled != was_settled) {
            store(slot, static_cast<std::uint16_t>(value ^ STEER_SLOT_SETTLED));
        }
        unsettled_ += is_settled ? 0 : 1;
        is_quiet = is_quiet && is_settled && astray == 0;
    }
    is_quiet_ = is_quiet;
}

}  // namespace fairlead::engine
