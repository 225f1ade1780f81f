// One AF_XDP socket: a receive and a transmit queue of a kernel interface, on packet buffers of a
// DPDK pool.
//
// Theory of operation
//
// The kernel and the worker pass buffers to each other over four rings (kernel documentation,
// networking/af_xdp.rst): fill and receive, transmit and completion. A buffer in one of them is
// lent to the kernel. The kernel knows the pool's memory as one area, in which a frame begins where
// its rte_mbuf does; the bytes of the mbuf itself are headroom that the kernel never touches. So
// one address names the frame, the mbuf and the buffer, and no table is needed.
//
//   X1. lent-number. A lent buffer carries this socket's number in rte_mbuf::port; nobody else
//       touches it.
//   X2. A closed socket gives back every buffer that carries its number (PacketPool), whatever the
//       kernel did with the rings: nothing is lost when an interface goes away.
//   X3. No call waits (worker.h, never-waits). The kernel is woken by sendto() and recvfrom() with
//       MSG_DONTWAIT, once a burst; what it cannot take now stays in the ring, and what has no room
//       is the caller's.
//
// A packet that is larger than a frame comes in several, and is put together in one of the pool's
// large buffers; one that lies in such a buffer leaves as several frames, which all lie in it. It
// counts its frames on their way out in rte_mbuf::refcnt.
//
// The driver of DPDK 22.11 for these sockets sleeps for up to a second in receive when busy polling
// is off, sends in a loop without a bound, and leaves buffers outside of the kernel's area.
//
// Ownership: the socket owns its descriptor and its rings; the buffers are the pool's. Thread:
// receive(), send() and turn() are the worker's; everything else the control thread's, counters()
// and losses() at any time, the destructor when no worker uses the socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <xdp/xsk.h>

#include "dp/base/cache_line.h"
#include "dp/base/result.h"
#include "dp/engine/packet_pool.h"
#include "dp/shm/telemetry.h"

struct rte_mbuf;

namespace fairlead::engine {

struct XdpSocketSetup {
    std::string interface;
    std::uint32_t queue = 0;
    // Marks the pool's buffers that are lent: of no other open socket on it, at least
    // kFirstNumber.
    std::uint16_t number = 0;
    PacketPool pool;
    // Buffers to receive into, at most; the ring is a power of two at least as large.
    std::uint32_t receive_buffers = 0;
    bool polls_busily = false;  // the kernel's receive path runs in the worker's own calls
};

class XdpSocket {
  public:
    static constexpr std::uint32_t kRingEntries = 2'048;
    static constexpr std::uint32_t kLeastReceiveBuffers = 256;
    // Above the numbers that DPDK's devices leave in rte_mbuf::port.
    static constexpr std::uint16_t kFirstNumber = 0x8000;

    // Zero copy is tried first; busy polling that the kernel refuses is no error. Requires
    // CAP_NET_RAW. Error: the kernel's errno, EBUSY among them for a moment after another process
    // with this queue has ended.
    [[nodiscard]] static Result<std::unique_ptr<XdpSocket>, int> open(const XdpSocketSetup& setup);
    ~XdpSocket();
    XdpSocket(const XdpSocket&) = delete;
    XdpSocket& operator=(const XdpSocket&) = delete;

    // ---- the worker

    // Takes what has come, at most as many as there are places. The packets are the caller's.
    [[nodiscard]] std::size_t receive(std::span<rte_mbuf*> packets) noexcept;
    // Hands packets of the pool to the kernel, each in one buffer; returns how many, from the
    // first. The others stay the caller's.
    [[nodiscard]] std::size_t send(std::span<rte_mbuf* const> packets) noexcept;
    // Takes back what has been sent, and wakes the kernel for what has not.
    void turn() noexcept;

    // ---- the control thread

    [[nodiscard]] int descriptor() const { return xsk_socket__fd(socket_); }
    // Whether the kernel still has the socket on its interface. It never comes back: an interface
    // that was removed, or was in another namespace meanwhile, leaves the socket deaf.
    [[nodiscard]] bool is_bound() const;
    [[nodiscard]] bool is_zero_copy() const { return is_zero_copy_; }
    [[nodiscard]] bool polls_busily() const { return polls_busily_; }

    struct Counters {
        shm::Counter receive_packets;
        shm::Counter receive_bytes;
        shm::Counter transmit_packets;
        shm::Counter transmit_bytes;
    };
    [[nodiscard]] const Counters& counters() const { return counters_; }

    // What the kernel lost here, since the socket was made.
    struct Losses {
        std::uint64_t dropped = 0;    // too large for a buffer, or none was there
        std::uint64_t ring_full = 0;  // the worker had not taken what came before
        std::uint64_t invalid = 0;    // buffers of ours that it refused
        std::uint64_t transmit_invalid = 0;
    };
    [[nodiscard]] Losses losses() const;

  private:
    XdpSocket(std::uint16_t number, const PacketPool& pool) : pool_(pool), number_(number) {}
    [[nodiscard]] int create(const XdpSocketSetup& setup, std::uint16_t bind_mode);
    void destroy();
    void poll_busily();
    void ask_what_it_is();

    [[nodiscard]] std::uint64_t address_of(const rte_mbuf* packet) const noexcept;
    [[nodiscard]] rte_mbuf* packet_at(std::uint64_t address) const noexcept;
    [[nodiscard]] bool is_large(const rte_mbuf* packet) const noexcept;
    // The next packet, whole; nullptr: its last frames have not come yet, or it had no room.
    [[nodiscard]] rte_mbuf* take(const xdp_desc& described) noexcept;
    [[nodiscard]] rte_mbuf* join(rte_mbuf* piece, bool is_last) noexcept;
    // How many frames the packet leaves as.
    [[nodiscard]] std::uint32_t frames_of(const rte_mbuf* packet) const noexcept;
    void describe(const rte_mbuf* packet, std::uint32_t place, std::uint32_t frames) noexcept;
    void fill() noexcept;
    void reclaim() noexcept;
    void wake_transmit() noexcept;
    void wake_receive() noexcept;

    // What the worker reads and writes a burst, together.
    alignas(kCacheLineBytes) xsk_ring_cons received_{};
    xsk_ring_prod fill_{};
    alignas(kCacheLineBytes) xsk_ring_prod transmit_{};
    xsk_ring_cons completed_{};
    alignas(kCacheLineBytes) Counters counters_{};
    PacketPool pool_;
    int socket_fd_ = -1;
    std::uint32_t receive_buffers_ = 0;
    std::uint32_t lent_to_receive_ = 0;
    std::uint32_t lent_to_transmit_ = 0;
    rte_mbuf* joined_ = nullptr;   // of which more frames come
    bool is_joined_lost_ = false;  // it had no room
    shm::Counter lost_large_;
    std::uint16_t number_;
    bool polls_busily_ = false;
    bool is_zero_copy_ = false;

    xsk_umem* umem_ = nullptr;
    xsk_socket* socket_ = nullptr;
};

}  // namespace fairlead::engine
