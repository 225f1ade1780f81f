#include "dp/forward/fragments/held_packets.h"

#include <utility>

namespace fairlead {

namespace {

// The verdict on a packet that waited in vain.
[[nodiscard]] Verdict give_up(ForwardContext& context, DropReason reason) noexcept {
    shm::WorkerBlock& worker = *context.counters.worker;
    worker.packets.add(1);
    worker.dropped[static_cast<std::size_t>(reason)].add(1);
    Verdict verdict;
    verdict.reason = reason;
    return verdict;
}

}  // namespace

HeldPackets::Held HeldPackets::take_oldest() noexcept {
    const Held held = held_[first_];
    first_ = (first_ + 1) % kCapacity;
    --size_;
    return held;
}

void HeldPackets::put(const Held& held) noexcept {
    held_[(first_ + size_) % kCapacity] = held;
    ++size_;
}

Released HeldPackets::add(ForwardContext& context, const Packet& packet, void* owner) noexcept {
    Released leaving;
    if (size_ == kCapacity) {
        const Held oldest = take_oldest();
        leaving = {oldest.packet,
                   give_up(context, DropReason::kFragmentNoRoom),
                   oldest.owner,
                   oldest.port};
    }
    context.counters.worker->held_packets.add(1);
    put({packet, owner, context.receiving_port, context.now_ms + kHoldMs});
    return leaving;
}

std::size_t HeldPackets::oldest_of_a_port(std::size_t limit) const noexcept {
    std::size_t count = 0;
    while (count < limit && held_[(first_ + count) % kCapacity].port == held_[first_].port) {
        ++count;
    }
    return count;
}

std::size_t HeldPackets::offer_oldest(ForwardContext& context,
                                      std::size_t count,
                                      std::span<Released> leaving) noexcept {
    std::array<Held, kBurstPackets> taken;
    std::array<Packet, kBurstPackets> packets;
    std::array<Verdict, kBurstPackets> verdicts;
    for (std::size_t i = 0; i < count; ++i) {
        taken[i] = take_oldest();
        packets[i] = taken[i].packet;
    }
    const PortIndex polled = std::exchange(context.receiving_port, taken[0].port);
    forward_burst(context, {packets.data(), count}, {verdicts.data(), count});
    context.receiving_port = polled;
    std::size_t leaving_count = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (verdicts[i].action == Action::kHold) {
            if (context.now_ms < taken[i].until_ms) {
                put(taken[i]);
                continue;
            }
            verdicts[i] = give_up(context, DropReason::kFragment);
        }
        leaving[leaving_count++] = {packets[i], verdicts[i], taken[i].owner, taken[i].port};
    }
    return leaving_count;
}

}  // namespace fairlead
