#include "dp/engine/xdp_socket.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <linux/if_xdp.h>
#include <sys/socket.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dp/base/burst.h"
#include "dp/base/error_text.h"
#include "dp/engine/packet_memory.h"

namespace fairlead::engine {
namespace {

// So many buffers change hands together: two bursts, so that a worker that is busy writes to the
// kernel's fill ring, and to the pool, every other burst only.
constexpr std::uint32_t kBatch = 2 * kBurstPackets;
static_assert(std::has_single_bit(kBatch) && kBatch <= XdpSocket::kLeastReceiveBuffers);

// A large packet is cut at multiples of this: no frame is larger than one of the pool's, and none
// crosses the end of a page, where a NIC could not follow it.
constexpr std::uint64_t kCutBytes = 2'048;
// Debian 12's headers lack the names of what later kernels have (include/uapi/linux/if_xdp.h).
constexpr std::uint16_t kSeveralFrames = 1U << 4U;  // XDP_USE_SG
constexpr std::uint32_t kMoreFrames = 1U << 0U;     // XDP_PKT_CONTD

// What SO_BUSY_POLL asks for, in microseconds; the sockets' calls never wait for it.
constexpr int kBusyPollUs = 20;
// Packets a call: as many as the kernel's own polls take (NAPI_POLL_WEIGHT), whatever our burst is.
constexpr int kBusyPollBudget = 64;

constexpr std::uint32_t power_of_two_from(std::uint32_t least) {
    std::uint32_t power = kBatch;
    while (power < least) {
        power *= 2;
    }
    return power;
}

bool set_option(int descriptor, int option, int value) {
    return ::setsockopt(descriptor, SOL_SOCKET, option, &value, sizeof value) == 0;
}

}  // namespace

Result<std::unique_ptr<XdpSocket>, int> XdpSocket::open(const XdpSocketSetup& setup) {
    std::unique_ptr<XdpSocket> socket(new XdpSocket(setup.number, setup.pool));
    int error = socket->create(setup, XDP_ZEROCOPY);
    if (error != 0 && error != -EBUSY && error != -ENODEV) {
        socket->destroy();
        error = socket->create(setup, XDP_COPY);
    }
    if (error != 0) {
        return Unexpected{-error};
    }
    socket->ask_what_it_is();
    if (setup.polls_busily) {
        socket->poll_busily();
    }
    socket->fill();
    return socket;
}

int XdpSocket::create(const XdpSocketSetup& setup, std::uint16_t bind_mode) {
    receive_buffers_ = setup.receive_buffers;
    xsk_umem_config area{};
    area.fill_size = power_of_two_from(setup.receive_buffers);
    area.comp_size = kRingEntries;
    area.frame_size = pool_.frame_bytes;
    area.frame_headroom = sizeof(rte_mbuf) + RTE_PKTMBUF_HEADROOM;
    area.flags = XDP_UMEM_UNALIGNED_CHUNK_FLAG;
    if (const int error = xsk_umem__create(
            &umem_, pool_.area.data(), pool_.area.size(), &fill_, &completed_, &area);
        error != 0) {
        umem_ = nullptr;
        return error;
    }
    xsk_socket_config rings{};
    rings.rx_size = power_of_two_from(setup.receive_buffers);
    rings.tx_size = kRingEntries;
    rings.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
    rings.bind_flags = static_cast<std::uint16_t>(bind_mode | XDP_USE_NEED_WAKEUP |
                                                  (pool_.large == nullptr ? 0 : kSeveralFrames));
    if (const int error = xsk_socket__create(
            &socket_, setup.interface.c_str(), setup.queue, umem_, &received_, &transmit_, &rings);
        error != 0) {
        socket_ = nullptr;
        return error;
    }
    socket_fd_ = xsk_socket__fd(socket_);
    return 0;
}

void XdpSocket::destroy() {
    if (socket_ != nullptr) {
        xsk_socket__delete(socket_);
        socket_ = nullptr;
    }
    if (umem_ != nullptr) {
        (void)xsk_umem__delete(umem_);
        umem_ = nullptr;
    }
}

XdpSocket::~XdpSocket() {
    destroy();
    if (joined_ != nullptr) {
        rte_pktmbuf_free(joined_);
    }
    if (lent_to_receive_ + lent_to_transmit_ != 0) {
        (void)give_back_lent(pool_, number_);
    }
}

void XdpSocket::poll_busily() {
    polls_busily_ = set_option(socket_fd_, SO_PREFER_BUSY_POLL, 1) &&
                    set_option(socket_fd_, SO_BUSY_POLL, kBusyPollUs) &&
                    set_option(socket_fd_, SO_BUSY_POLL_BUDGET, kBusyPollBudget);
}

void XdpSocket::ask_what_it_is() {
    xdp_options options{};
    socklen_t length = sizeof options;
    is_zero_copy_ = ::getsockopt(socket_fd_, SOL_XDP, XDP_OPTIONS, &options, &length) == 0 &&
                    (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
}

bool XdpSocket::is_bound() const {
    // The kernel looks first whether the socket is on a device. Nothing is received by this.
    return ::recvfrom(socket_fd_, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr) >= 0 ||
           errno != ENXIO;
}

XdpSocket::Losses XdpSocket::losses() const {
    xdp_statistics statistics{};
    socklen_t length = sizeof statistics;
    if (::getsockopt(socket_fd_, SOL_XDP, XDP_STATISTICS, &statistics, &length) != 0) {
        return {};
    }
    return {.dropped = statistics.rx_dropped + lost_large_.get(),
            .ring_full = statistics.rx_ring_full,
            .invalid = statistics.rx_invalid_descs,
            .transmit_invalid = statistics.tx_invalid_descs};
}

// ---- the worker
// -----------------------------------------------------------------------------------

std::uint64_t XdpSocket::address_of(const rte_mbuf* packet) const noexcept {
    return static_cast<std::uint64_t>(
        static_cast<const std::byte*>(static_cast<const void*>(packet)) - pool_.area.data());
}

rte_mbuf* XdpSocket::packet_at(std::uint64_t address) const noexcept {
    return static_cast<rte_mbuf*>(
        static_cast<void*>(pool_.area.data() + xsk_umem__extract_addr(address)));
}

void XdpSocket::fill() noexcept {
    std::array<void*, kBatch> packets;  // written before it is read
    while (receive_buffers_ - lent_to_receive_ >= kBatch) {
        std::uint32_t place = 0;
        if (rte_mempool_get_bulk(pool_.pool, packets.data(), kBatch) != 0) {
            return;  // those that are on their way out come back
        }
        // There is room: the ring holds all that may be lent.
        if (xsk_ring_prod__reserve(&fill_, kBatch, &place) != kBatch) {
            rte_mempool_put_bulk(pool_.pool, packets.data(), kBatch);
            return;
        }
        for (std::uint32_t i = 0; i < kBatch; ++i) {
            auto* const packet = static_cast<rte_mbuf*>(packets[i]);
            packet->port = number_;
            *xsk_ring_prod__fill_addr(&fill_, place + i) = address_of(packet);
        }
        xsk_ring_prod__submit(&fill_, kBatch);
        lent_to_receive_ += kBatch;
    }
}

rte_mbuf* XdpSocket::take(const xdp_desc& described) noexcept {
    rte_mbuf* const packet = packet_at(described.addr);
    packet->port = RTE_MBUF_PORT_INVALID;
    packet->ol_flags = 0;
    packet->data_off =
        static_cast<std::uint16_t>(xsk_umem__extract_offset(described.addr) - sizeof(rte_mbuf));
    packet->data_len = static_cast<std::uint16_t>(described.len);
    packet->pkt_len = described.len;
    const bool is_last = (described.options & kMoreFrames) == 0;
    const bool is_first = joined_ == nullptr && !is_joined_lost_;
    return is_last && is_first ? packet : join(packet, is_last);
}

rte_mbuf* XdpSocket::join(rte_mbuf* piece, bool is_last) noexcept {
    if (joined_ == nullptr && !is_joined_lost_) {
        joined_ = pool_.large == nullptr ? nullptr : rte_pktmbuf_alloc(pool_.large);
        is_joined_lost_ = joined_ == nullptr;
    }
    char* const room = joined_ == nullptr ? nullptr : rte_pktmbuf_append(joined_, piece->data_len);
    if (room != nullptr) {
        std::memcpy(room, rte_pktmbuf_mtod(piece, const void*), piece->data_len);
    } else if (joined_ != nullptr) {
        rte_pktmbuf_free(std::exchange(joined_, nullptr));
        is_joined_lost_ = true;
    }
    rte_pktmbuf_free(piece);
    if (!is_last) {
        return nullptr;
    }
    if (std::exchange(is_joined_lost_, false)) {
        lost_large_.add(1);
    }
    return std::exchange(joined_, nullptr);
}

std::size_t XdpSocket::receive(std::span<rte_mbuf*> packets) noexcept {
    fill();
    std::uint32_t place = 0;
    const std::uint32_t frames =
        xsk_ring_cons__peek(&received_, static_cast<std::uint32_t>(packets.size()), &place);
    if (frames == 0) {
        wake_receive();
        return 0;
    }
    std::uint64_t bytes = 0;
    std::size_t count = 0;
    for (std::uint32_t i = 0; i < frames; ++i) {
        rte_mbuf* const packet = take(*xsk_ring_cons__rx_desc(&received_, place + i));
        if (packet != nullptr) [[likely]] {
            bytes += packet->pkt_len;
            packets[count++] = packet;
        }
    }
    xsk_ring_cons__release(&received_, frames);
    lent_to_receive_ -= frames;
    counters_.receive_packets.add(count);
    counters_.receive_bytes.add(bytes);
    return count;
}

bool XdpSocket::is_large(const rte_mbuf* packet) const noexcept {
    return address_of(packet) >= pool_.large_offset;
}

std::uint32_t XdpSocket::frames_of(const rte_mbuf* packet) const noexcept {
    if (!is_large(packet)) [[likely]] {
        return 1;
    }
    const std::uint64_t start = address_of(packet) + sizeof(rte_mbuf) + packet->data_off;
    return static_cast<std::uint32_t>((start % kCutBytes + packet->data_len + kCutBytes - 1) /
                                      kCutBytes);
}

void XdpSocket::describe(const rte_mbuf* packet,
                         std::uint32_t place,
                         std::uint32_t frames) noexcept {
    const std::uint64_t address = address_of(packet);
    std::uint64_t offset = sizeof(rte_mbuf) + packet->data_off;
    std::uint64_t left = packet->data_len;
    for (std::uint32_t frame = 1; frame <= frames; ++frame) {
        const std::uint64_t length =
            frame == frames ? left : kCutBytes - (address + offset) % kCutBytes;
        xdp_desc* const described = xsk_ring_prod__tx_desc(&transmit_, place);
        described->addr = address | offset << XSK_UNALIGNED_BUF_OFFSET_SHIFT;
        described->len = static_cast<std::uint32_t>(length);
        described->options = frame == frames ? 0 : kMoreFrames;
        offset += length;
        left -= length;
        ++place;
    }
}

std::size_t XdpSocket::send(std::span<rte_mbuf* const> packets) noexcept {
    reclaim();
    std::uint64_t bytes = 0;
    std::uint32_t sent_frames = 0;
    std::size_t count = 0;
    for (rte_mbuf* const packet : packets) {
        const std::uint32_t frames = frames_of(packet);
        std::uint32_t place = 0;
        if (frames > kRingEntries - lent_to_transmit_ - sent_frames ||
            xsk_ring_prod__reserve(&transmit_, frames, &place) != frames) {
            break;
        }
        describe(packet, place, frames);
        packet->port = number_;
        if (frames != 1) {
            rte_mbuf_refcnt_set(packet, static_cast<std::uint16_t>(frames));
        }
        bytes += packet->data_len;
        sent_frames += frames;
        ++count;
    }
    xsk_ring_prod__submit(&transmit_, sent_frames);
    lent_to_transmit_ += sent_frames;
    counters_.transmit_packets.add(count);
    counters_.transmit_bytes.add(bytes);
    wake_transmit();
    return count;
}

void XdpSocket::turn() noexcept {
    if (lent_to_transmit_ != 0) {
        reclaim();
        // What a call before has left, as the device had no room.
        if (xsk_prod_nb_free(&transmit_, kRingEntries) != kRingEntries) {
            wake_transmit();
        }
    }
}

void XdpSocket::reclaim() noexcept {
    std::array<void*, kBatch> packets;  // written before it is read
    while (lent_to_transmit_ != 0) {
        std::uint32_t place = 0;
        const std::uint32_t frames = xsk_ring_cons__peek(&completed_, kBatch, &place);
        if (frames == 0) {
            return;
        }
        std::uint32_t count = 0;
        for (std::uint32_t i = 0; i < frames; ++i) {
            rte_mbuf* const packet = packet_at(*xsk_ring_cons__comp_addr(&completed_, place + i));
            if (!is_large(packet)) [[likely]] {
                packet->port = RTE_MBUF_PORT_INVALID;
                packets[count++] = packet;
            } else if (rte_mbuf_refcnt_read(packet) > 1) {
                rte_mbuf_refcnt_update(packet, -1);  // one of its frames; others are on their way
            } else {
                packet->port = RTE_MBUF_PORT_INVALID;
                rte_pktmbuf_free(packet);
            }
        }
        xsk_ring_cons__release(&completed_, frames);
        rte_mempool_put_bulk(pool_.pool, packets.data(), count);
        lent_to_transmit_ -= frames;
    }
}

void XdpSocket::wake_transmit() noexcept {
    if (xsk_ring_prod__needs_wakeup(&transmit_) != 0) {
        // Whatever it says: what it has not taken stays in the ring, for the next turn.
        (void)::sendto(socket_fd_, nullptr, 0, MSG_DONTWAIT, nullptr, 0);
    }
}

void XdpSocket::wake_receive() noexcept {
    if (polls_busily_ || xsk_ring_prod__needs_wakeup(&fill_) != 0) {
        (void)::recvfrom(socket_fd_, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
    }
}

}  // namespace fairlead::engine
