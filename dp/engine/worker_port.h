// A worker's end of a port: where it receives and sends.
//
// Behind it stands a queue pair of a DPDK device, for good, or the AF_XDP sockets of an interface:
// the worker's queue, and where the interface has more queues than there are workers, every n-th
// one after it. The control thread may take the sockets back, as their interface has gone, and
// offer others later (dp/base/loan.h); meanwhile nothing is received and nothing can be sent.
//
// Ownership: the port owns this and what stands behind it. Thread: what is marked so is the
// worker's, the rest the control thread's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <rte_ethdev.h>

#include "dp/base/loan.h"
#include "dp/engine/xdp_socket.h"

namespace fairlead::engine {

// The sockets of one worker on one interface; the first one sends.
struct XdpQueues {
    std::vector<XdpSocket*> sockets;  // never empty
};

class WorkerPort {
  public:
    // An interface's, without sockets yet.
    WorkerPort() = default;
    // A device's.
    WorkerPort(std::uint16_t device, std::uint16_t queue)
        : device_(device), queue_(queue), is_device_(true) {}

    // nullptr takes back what was offered; it may be destroyed once is_held() says no.
    void offer(XdpQueues* queues) noexcept { loan_.offer(queues); }
    [[nodiscard]] bool is_held() const noexcept { return loan_.is_held(); }

    // ---- the worker

    // At the top of a turn, when no packet of the port is at hand.
    void follow() noexcept {
        if (loan_.is_news(queues_)) [[unlikely]] {
            queues_ = loan_.take();
            next_ = 0;
        }
    }
    // A burst; of several sockets one that has something, each in its turn.
    [[nodiscard]] std::size_t receive(std::span<rte_mbuf*> packets) noexcept;
    // Returns how many could be sent, from the first; the others stay the caller's.
    [[nodiscard]] std::size_t send(std::span<rte_mbuf*> packets) noexcept;

  private:
    Loan<XdpQueues> loan_;
    XdpQueues* queues_ = nullptr;  // the worker's
    std::size_t next_ = 0;
    std::uint16_t device_ = 0;
    std::uint16_t queue_ = 0;
    bool is_device_ = false;
};

inline std::size_t WorkerPort::receive(std::span<rte_mbuf*> packets) noexcept {
    if (is_device_) {
        return rte_eth_rx_burst(
            device_, queue_, packets.data(), static_cast<std::uint16_t>(packets.size()));
    }
    if (queues_ == nullptr) {
        return 0;
    }
    const std::span<XdpSocket* const> sockets = queues_->sockets;
    sockets.front()->turn();
    for (std::size_t tried = 0; tried < sockets.size(); ++tried) {
        const std::size_t turn = next_;
        next_ = turn + 1 == sockets.size() ? 0 : turn + 1;
        if (const std::size_t count = sockets[turn]->receive(packets); count != 0) {
            return count;
        }
    }
    return 0;
}

inline std::size_t WorkerPort::send(std::span<rte_mbuf*> packets) noexcept {
    if (is_device_) {
        return rte_eth_tx_burst(
            device_, queue_, packets.data(), static_cast<std::uint16_t>(packets.size()));
    }
    return queues_ == nullptr ? 0 : queues_->sockets.front()->send(packets);
}

}  // namespace fairlead::engine
