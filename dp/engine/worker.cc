#include "dp/engine/worker.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#include "dp/forward/answers/advertisement.h"
#include "dp/forward/path/vlan.h"

namespace fairlead::engine {
namespace {

constexpr std::uint64_t kHousePerSecond = 1'000;
// Every bucket is visited once in this time, so that counts of flows are exact to within it.
constexpr std::uint64_t kSweepSeconds = 4;
constexpr std::size_t kMaxSweepBuckets = 4'096;  // a turn; some 20 us

// Idle::kYield: polls on for a while, then sleeps, longer each time.
constexpr std::uint32_t kIdleTurnsBeforePause = 32;
constexpr std::uint32_t kShortestPauseNs = 20'000;
constexpr std::uint32_t kLongestPauseNs = 250'000;
// Before the first generation there is nothing to poll, whatever the mode.
constexpr std::uint32_t kWaitForTablesNs = 1'000'000;

void sleep_ns(std::uint32_t nanoseconds) noexcept {
    const timespec time{0, static_cast<long>(nanoseconds)};
    (void)::nanosleep(&time, nullptr);
}

// Gives the frame's bytes as forward_burst() left them to the packet buffer.
void adopt(rte_mbuf* packet, const Packet& bytes) noexcept {
    const auto* const start = static_cast<const std::uint8_t*>(packet->buf_addr);
    packet->data_off = static_cast<std::uint16_t>(bytes.data - start);
    packet->data_len = static_cast<std::uint16_t>(bytes.length);
    packet->pkt_len = bytes.length;
}

// A port of ours as a capture numbers them.
PortIndex position(std::size_t own) noexcept {
    return PortIndex{static_cast<std::uint8_t>(own)};
}

}  // namespace

Worker::Worker(WorkerSetup setup, const FlowTable& flows)
    : setup_(std::move(setup)),
      tsc_per_second_(rte_get_tsc_hz()),
      started_(rte_rdtsc()),
      last_house_(started_),
      flows_(flows),
      tap_(setup_.capture, setup_.index),
      outboxes_(setup_.ports.size()) {
    context_.flows = &flows_;
    context_.other_flows = setup_.other_flows;
    context_.counters = setup_.counters;
    context_.now = FlowTick{setup_.first_tick};
    context_.fragments = setup_.fragments;
    context_.limits = setup_.limits;
    context_.has_padding_room = true;  // every pool's buffers hold 2 KiB and more
    setup_.counters.worker->cpu.set(setup_.cpu);
    setup_.counters.worker->flow_capacity.set(flows_.capacity());
}

void Worker::run() noexcept {
    fill_spares();
    // Pairs with the control thread's release; nothing else is shared by it.
    while (!setup_.follow->is_stopping.load(std::memory_order_acquire)) {
        setup_.counters.worker->heartbeat.add(1);
        follow_tables();
        tap_.follow();
        for (WorkerPort* const port : setup_.ports) {
            port->follow();
        }
        const std::uint64_t now = rte_rdtsc();
        if (now - last_house_ >= tsc_per_second_ / kHousePerSecond) {
            keep_house(now);
        }
        if (acknowledged_ == 0) {
            sleep_ns(kWaitForTablesNs);
            continue;
        }
        std::size_t received = 0;
        for (std::size_t own = 0; own < setup_.ports.size(); ++own) {
            context_.receiving_port = setup_.port_numbers.number(own);
            received += poll(own);
        }
        if (received == 0) {
            pause();
        } else {
            idle_turns_ = 0;
            busy_tsc_ += rte_rdtsc() - now;
        }
    }
}

void Worker::follow_tables() noexcept {
    // Pairs with the control thread's release (follow.h).
    const std::uint64_t generation = setup_.follow->generation.load(std::memory_order_acquire);
    if (generation == acknowledged_) [[likely]] {
        return;
    }
    // Nothing from before is held here: the bursts are done, and the snapshot goes first
    // (acknowledged-before-reuse).
    context_.snapshot = {};
    context_.tables = setup_.follow->tables;
    acknowledged_ = generation;
    setup_.counters.worker->acknowledged.store(generation, std::memory_order_release);
    context_.snapshot = context_.tables->snapshot();
    setup_.port_numbers.follow(context_.snapshot);
}

std::size_t Worker::poll(std::size_t own) noexcept {
    std::array<rte_mbuf*, kBurstPackets> received{};
    std::array<rte_mbuf*, kBurstPackets> whole{};
    std::array<Packet, kBurstPackets> packets;
    std::array<Verdict, kBurstPackets> verdicts;
    const std::size_t count = setup_.ports[own]->receive(received);
    std::size_t usable = 0;
    for (std::size_t i = 0; i < count; ++i) {
        rte_mbuf* const packet = received[i];
        // Larger than a buffer: the device chained several, and one must do.
        if (packet->nb_segs > 1 && rte_pktmbuf_linearize(packet) != 0) {
            setup_.counters.worker->packets.add(1);
            tap_.forget(position(own));
            drop(packet, DropReason::kTooBig, kNoServiceId);
            continue;
        }
        whole[usable] = packet;
        packets[usable] = {.data = rte_pktmbuf_mtod(packet, std::uint8_t*),
                           .length = rte_pktmbuf_data_len(packet),
                           .headroom = rte_pktmbuf_headroom(packet)};
        verdicts[usable] = {};
        ++usable;
    }
    if (usable > 0) {
        const std::span of_burst(packets.data(), usable);
        const std::span decided(verdicts.data(), usable);
        if (tap_.is_on()) [[unlikely]] {
            forward_captured(own, std::span(whole.data(), usable), of_burst, decided);
        } else {
            forward_burst(context_, of_burst, decided);
        }
        for (std::size_t i = 0; i < usable; ++i) {
            dispatch(whole[i], packets[i], verdicts[i]);
        }
        if (context_.spares_used != 0) [[unlikely]] {
            dispatch_pieces();
        }
        send();
    }
    return count;
}

void Worker::forward_captured(std::size_t own,
                              std::span<rte_mbuf* const> mbufs,
                              std::span<Packet> packets,
                              std::span<Verdict> verdicts) noexcept {
    tap_.receive(position(own), mbufs, packets);
    forward_burst(context_, packets, verdicts);
    tap_.decide(verdicts);
}

void Worker::dispatch(rte_mbuf* packet, const Packet& bytes, const Verdict& verdict) noexcept {
    switch (verdict.action) {
        case Action::kDrop:
            rte_pktmbuf_free(packet);
            return;
        case Action::kKernel:
            // Steering keeps these away from AF_XDP ports but for a moment around a change of VIPs;
            // behind the other ports stands no kernel.
            drop(packet, DropReason::kNoKernelPath, kNoServiceId);
            return;
        case Action::kHold:
            hold(packet, bytes);
            return;
        case Action::kTransmit:
            const std::size_t own = setup_.port_numbers.own(verdict.port);
            if (own == PortNumbers::kNone) {
                drop(packet, DropReason::kBadTables, verdict.service);
                return;
            }
            adopt(packet, bytes);
            Outbox& outbox = outboxes_[own];
            if (outbox.count == outbox.packets.size()) {
                send();
            }
            outbox.packets[outbox.count] = packet;
            outbox.services[outbox.count] = verdict.service;
            ++outbox.count;
            return;
    }
}

void Worker::send() noexcept {
    for (std::size_t own = 0; own < outboxes_.size(); ++own) {
        Outbox& outbox = outboxes_[own];
        if (outbox.count == 0) {
            continue;
        }
        if (tap_.is_on()) [[unlikely]] {
            tap_.leave(position(own), std::span(outbox.packets.data(), outbox.count));
        }
        const std::size_t sent =
            setup_.ports[own]->send(std::span(outbox.packets.data(), outbox.count));
        for (std::size_t i = sent; i < outbox.count; ++i) {
            drop(outbox.packets[i], DropReason::kTransmitFull, outbox.services[i]);
        }
        outbox.count = 0;
    }
}

void Worker::dispatch_pieces() noexcept {
    for (std::size_t i = 0; i < context_.spares_used; ++i) {
        SparePacket& spare = spares_[i];
        dispatch(static_cast<rte_mbuf*>(spare.owner), spare.packet, spare.verdict);
        spare.owner = nullptr;
    }
    context_.spares_used = 0;
    fill_spares();
}

void Worker::fill_spares() noexcept {
    std::size_t filled = 0;
    for (SparePacket& spare : spares_) {
        if (spare.owner == nullptr) {
            rte_mbuf* const packet = rte_pktmbuf_alloc(setup_.pool);
            if (packet == nullptr) {
                continue;  // the next turn may find one
            }
            spare = {.owner = packet,
                     .start = rte_pktmbuf_mtod(packet, std::uint8_t*),
                     .room = rte_pktmbuf_tailroom(packet),
                     .headroom = rte_pktmbuf_headroom(packet)};
        }
        std::swap(spare, spares_[filled]);
        ++filled;
    }
    context_.spares = std::span(spares_.data(), filled);
}

void Worker::hold(rte_mbuf* packet, const Packet& bytes) noexcept {
    const Released leaving = held_.add(context_, bytes, packet);
    if (leaving.owner != nullptr) {
        let_go(leaving);
    }
}

void Worker::let_go(const Released& released) noexcept {
    auto* const packet = static_cast<rte_mbuf*>(released.owner);
    if (released.verdict.action == Action::kDrop && tap_.is_on()) [[unlikely]] {
        adopt(packet, released.packet);
        const std::size_t own = setup_.port_numbers.own(released.port);
        tap_.lose_held(
            packet, position(own == PortNumbers::kNone ? 0 : own), released.verdict.reason);
    }
    dispatch(packet, released.packet, released.verdict);
}

void Worker::offer_held() noexcept {
    held_.offer(context_, [this](const Released& released) noexcept { let_go(released); });
    if (context_.spares_used != 0) {
        dispatch_pieces();
    }
    send();
}

void Worker::announce() noexcept {
    const IpAddress* const due = setup_.announcements->front();
    // Pairs with the control thread's release: the generation that has this VIP came before it.
    if (due == nullptr ||
        setup_.follow->generation.load(std::memory_order_acquire) != acknowledged_) {
        return;
    }
    const IpAddress vip = *due;
    setup_.announcements->pop();
    const shm::Snapshot& snapshot = context_.snapshot;
    if (snapshot.is_empty() || snapshot.find(vip, Be16{}, shm::kVipMark) == nullptr) {
        return;  // it has gone meanwhile
    }
    for (std::size_t own_port = 0; own_port < outboxes_.size(); ++own_port) {
        const PortIndex port = setup_.port_numbers.number(own_port);
        if (to_number(port) >= snapshot.port_count) {
            continue;  // the tables do not know it
        }
        const MacAddress own = snapshot.header->ports[to_number(port)].mac;
        rte_mbuf* const packet = own == MacAddress{} ? nullptr : rte_pktmbuf_alloc(setup_.pool);
        if (packet == nullptr) {
            continue;
        }
        Packet bytes{.data = rte_pktmbuf_mtod(packet, std::uint8_t*),
                     .headroom = rte_pktmbuf_headroom(packet)};
        write_announcement(bytes, vip, own);
        const std::uint16_t vlan = vlan_of(snapshot, port);
        if (vlan != 0) {
            (void)put_tag(bytes, vlan);  // a fresh buffer has room for it
        }
        Verdict verdict;
        verdict.action = Action::kTransmit;
        verdict.port = port;
        dispatch(packet, bytes, verdict);
        setup_.counters.worker->announcements.add(1);
    }
    send();
}

void Worker::drop(rte_mbuf* packet, DropReason reason, ServiceId service) noexcept {
    setup_.counters.worker->dropped[static_cast<std::size_t>(reason)].add(1);
    if (to_number(service) < setup_.counters.services.size()) {
        setup_.counters.services[to_number(service)].dropped[static_cast<std::size_t>(reason)].add(
            1);
    }
    if (tap_.is_on()) [[unlikely]] {
        tap_.lose(packet, reason);
    }
    rte_pktmbuf_free(packet);
}

void Worker::keep_house(std::uint64_t now) noexcept {
    const std::uint64_t ticks = (now - started_) / (kSecondsPerFlowTick * tsc_per_second_);
    context_.now = FlowTick{setup_.first_tick + ticks};
    // Not from the start of this worker: the fragment table's clock is that of all workers.
    context_.now_ms = now / (tsc_per_second_ / 1'000);
    if (held_.size() != 0) {
        offer_held();
    }
    if (setup_.announcements != nullptr) {
        announce();
    }
    if (ticks > kMaxIdleTicks && context_.other_flows.size() > setup_.lasting_other_flows) {
        context_.other_flows = context_.other_flows.first(setup_.lasting_other_flows);
    }

    constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
    // A turn is far shorter than a second, so the product fits.
    setup_.counters.worker->busy_ns.add(busy_tsc_ * kNsPerSecond / tsc_per_second_);
    busy_tsc_ = 0;

    sweep_debt_ += (now - last_house_) * flows_.bucket_count();
    const std::uint64_t price = kSweepSeconds * tsc_per_second_;  // of one bucket
    const std::size_t buckets = std::min<std::uint64_t>(sweep_debt_ / price, kMaxSweepBuckets);
    sweep_debt_ = std::min(sweep_debt_ - buckets * price, price * kMaxSweepBuckets);
    if (buckets > 0) {
        (void)sweep_flows(context_, buckets);
    }
    last_house_ = now;
    if (acknowledged_ != 0) {
        setup_.beat.show_life();
    }
}

void Worker::pause() noexcept {
    if (setup_.idle == Idle::kSpin || ++idle_turns_ < kIdleTurnsBeforePause) {
        rte_pause();
        return;
    }
    const std::uint32_t longer = (idle_turns_ - kIdleTurnsBeforePause + 1) * kShortestPauseNs;
    sleep_ns(std::min(longer, kLongestPauseNs));
    if (longer > kLongestPauseNs) {
        --idle_turns_;  // stays where it is
    }
}

}  // namespace fairlead::engine
