// A worker's end of a capture: copies packets where the loop shows them to it.
//
// The control thread lends the session to each worker (dp/base/loan.h), which looks at the top of
// its loop whether there is one. Without a capture a worker compares one pointer a turn, and takes
// one branch a burst.
//
// In a burst: receive() first, before anything is changed, then decide() with the verdicts, then
// leave() and lose() for what is sent and what cannot be. No clock but the TSC, no allocation, no
// lock, no system call. Thread: follow() to lose(), the worker.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dp/base/burst.h"
#include "dp/base/loan.h"
#include "dp/engine/capture_session.h"
#include "dp/forward/pipeline.h"

struct rte_mbuf;

namespace fairlead::engine {

// What the control thread lends one worker.
using CaptureOrder = Loan<CaptureSession>;

class CaptureTap {
  public:
    CaptureTap(CaptureOrder* order, WorkerIndex worker) : order_(order), worker_(worker) {}

    void follow() noexcept {
        count_ = 0;  // the last turn's bursts are over, and their packets may be others by now
        if (order_->is_news(session_)) [[unlikely]] {
            take_over();
        }
    }
    [[nodiscard]] bool is_on() const noexcept { return session_ != nullptr; }

    // All of these require is_on(). A burst has arrived on `port`; `mbufs` tells its packets apart
    // later.
    void receive(PortIndex port,
                 std::span<rte_mbuf* const> mbufs,
                 std::span<const Packet> packets) noexcept;
    void decide(std::span<const Verdict> verdicts) noexcept;
    // These are about to be sent by `port`.
    void leave(PortIndex port, std::span<rte_mbuf* const> mbufs) noexcept;
    // A packet that is not sent after all. One that is of no burst at hand is shown as it is now.
    void lose(const rte_mbuf* mbuf, DropReason reason) noexcept;
    // The same for one of a burst before, which came by `port`.
    void lose_held(const rte_mbuf* mbuf, PortIndex port, DropReason reason) noexcept;

    // No burst of `port` is at hand yet, or none any more.
    void forget(PortIndex port) noexcept {
        port_ = port;
        count_ = 0;
    }

  private:
    void take_over() noexcept;
    void write(shm::CapturePoint point,
               PortIndex port,
               DropReason reason,
               std::span<const std::uint8_t> bytes,
               std::uint32_t length) noexcept;
    void write_drop(std::size_t number, DropReason reason) noexcept;
    [[nodiscard]] std::size_t number_of(const rte_mbuf* mbuf) const noexcept;

    // A packet of the burst, as it arrived.
    struct Arrived {
        const rte_mbuf* mbuf = nullptr;
        std::uint32_t length = 0;
        bool is_wanted = false;  // by the filter
    };

    CaptureOrder* order_;
    WorkerIndex worker_;
    CaptureSession* session_ = nullptr;
    CaptureWriter* writer_ = nullptr;
    std::uint8_t* staging_ = nullptr;
    PortIndex port_{};
    std::array<Arrived, kBurstPackets> arrived_{};
    std::size_t count_ = 0;  // of the burst at hand
};

}  // namespace fairlead::engine
