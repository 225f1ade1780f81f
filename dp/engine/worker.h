// One worker: the loop that receives, decides and sends, pinned to a CPU of its own.
//
// It polls its queue of every port, hands the burst to forward_burst(), sends what is to be sent
// and frees the rest. never-waits: it never blocks, allocates or logs, and no system call of it
// waits; the clock is the TSC, read once a turn. With Idle::kYield it sleeps when nothing came, at
// most kLongestPause.
//
// Ownership: everything in WorkerSetup belongs to the engine and outlives the worker. Thread: run()
// is the worker's own; nothing else is called while it runs.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "bpf/loader/steer_away.h"
#include "dp/base/burst.h"
#include "dp/base/ids.h"
#include "dp/engine/announcer.h"
#include "dp/engine/capture_tap.h"
#include "dp/engine/follow.h"
#include "dp/engine/options.h"
#include "dp/engine/port_numbers.h"
#include "dp/engine/worker_port.h"
#include "dp/flow/flow_table.h"
#include "dp/forward/fragments/fragment_table.h"
#include "dp/forward/fragments/held_packets.h"
#include "dp/forward/pipeline.h"

struct rte_mbuf;
struct rte_mempool;

namespace fairlead::engine {

struct WorkerSetup {
    WorkerIndex index{};
    std::uint32_t cpu = 0;
    Idle idle = Idle::kSpin;
    std::vector<WorkerPort*> ports;  // in our order, this worker's end of each
    PortNumbers port_numbers;        // the same ports
    // The other workers' tables, then those of an engine with another geometry, which nobody
    // sweeps: they are read until every entry in them is past its time.
    std::vector<FlowTableView> other_flows;
    std::size_t lasting_other_flows = 0;  // how many of them are the workers'
    WorkerCounters counters;
    FragmentTable* fragments = nullptr;  // of all workers
    RateLimits limits;
    rte_mempool* pool = nullptr;   // where packets come from that it makes itself
    std::uint64_t first_tick = 0;  // of the flows' clock
    const Follow* follow = nullptr;
    CaptureOrder* capture = nullptr;
    AnnouncementQueue* announcements = nullptr;  // one worker's alone
    SteerBeat beat;                              // for the steering programs
};

class Worker {
  public:
    // `flows` counts into the same blocks as the setup's counters.
    Worker(WorkerSetup setup, const FlowTable& flows);

    // Until Follow::is_stopping.
    void run() noexcept;

    [[nodiscard]] const WorkerSetup& setup() const { return setup_; }

  private:
    // Packets on their way out by one port.
    struct Outbox {
        std::array<rte_mbuf*, kBurstPackets> packets{};
        std::array<ServiceId, kBurstPackets>
            services{};  // whose packets they are, if they cannot leave
        std::uint16_t count = 0;
    };

    void follow_tables() noexcept;
    // Receives from our port at this position. Returns how many packets came.
    std::size_t poll(std::size_t own) noexcept;
    // forward_burst(), watched by a capture.
    void forward_captured(std::size_t own,
                          std::span<rte_mbuf* const> mbufs,
                          std::span<Packet> packets,
                          std::span<Verdict> verdicts) noexcept;
    void dispatch(rte_mbuf* packet, const Packet& bytes, const Verdict& verdict) noexcept;
    void send() noexcept;
    // Sends the pieces that forward_burst() made, and gets new buffers for the next ones.
    void dispatch_pieces() noexcept;
    void fill_spares() noexcept;
    void hold(rte_mbuf* packet, const Packet& bytes) noexcept;
    // Of a held packet: its burst is over, so a drop is shown to a capture here.
    void let_go(const Released& released) noexcept;
    // Looks again at the fragments that wait for their first one.
    void offer_held() noexcept;
    // Sends the announcements of one VIP, if one is due.
    void announce() noexcept;
    void drop(rte_mbuf* packet, DropReason reason, ServiceId service) noexcept;
    // Once a millisecond at most.
    void keep_house(std::uint64_t now) noexcept;
    void pause() noexcept;

    WorkerSetup setup_;
    std::uint64_t acknowledged_ = 0;
    std::uint64_t tsc_per_second_;
    std::uint64_t started_;         // TSC
    std::uint64_t last_house_;      // TSC
    std::uint64_t busy_tsc_ = 0;    // not yet in the counter
    std::uint64_t sweep_debt_ = 0;  // TSC times buckets, not yet swept
    std::uint32_t idle_turns_ = 0;
    FlowTable flows_;
    ForwardContext context_;
    HeldPackets held_;
    CaptureTap tap_;
    std::array<SparePacket, kBurstPackets> spares_{};  // those with a buffer first
    std::vector<Outbox> outboxes_;                     // in our order
};

}  // namespace fairlead::engine
