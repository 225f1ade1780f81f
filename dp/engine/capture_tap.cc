#include "dp/engine/capture_tap.h"

#include <algorithm>
#include <cstring>

#include <rte_cycles.h>
#include <rte_mbuf.h>

namespace fairlead::engine {

void CaptureTap::take_over() noexcept {
    session_ = order_->take();
    writer_ = session_ == nullptr ? nullptr : &session_->writer(worker_);
    staging_ = session_ == nullptr ? nullptr : session_->staging(worker_);
    count_ = 0;
}

void CaptureTap::write(shm::CapturePoint point,
                       PortIndex port,
                       DropReason reason,
                       std::span<const std::uint8_t> bytes,
                       std::uint32_t length) noexcept {
    writer_->write({.tsc = rte_rdtsc(),
                    .length = length,
                    .captured = static_cast<std::uint32_t>(bytes.size()),
                    .point = static_cast<std::uint8_t>(point),
                    .port = to_number(port),
                    .reason = static_cast<std::uint8_t>(reason)},
                   bytes.data());
}

void CaptureTap::receive(PortIndex port,
                         std::span<rte_mbuf* const> mbufs,
                         std::span<const Packet> packets) noexcept {
    port_ = port;
    count_ = packets.size();
    const std::uint32_t snap_bytes = session_->snap_bytes();
    for (std::size_t i = 0; i < packets.size(); ++i) {
        const std::span<const std::uint8_t> bytes(packets[i].data, packets[i].length);
        arrived_[i] = {mbufs[i], packets[i].length, matches_filter(session_->filter(), bytes)};
        if (!arrived_[i].is_wanted) {
            continue;
        }
        const std::span<const std::uint8_t> kept =
            bytes.first(std::min<std::size_t>(bytes.size(), snap_bytes));
        if (session_->wants(shm::CapturePoint::kReceive)) {
            write(shm::CapturePoint::kReceive, port, DropReason::kNone, kept, packets[i].length);
        }
        if (session_->wants(shm::CapturePoint::kDrop)) {
            std::memcpy(staging_ + i * snap_bytes, kept.data(), kept.size());
        }
    }
    writer_->publish();
}

void CaptureTap::write_drop(std::size_t number, DropReason reason) noexcept {
    if (!session_->wants(shm::CapturePoint::kDrop) || number >= count_ ||
        !arrived_[number].is_wanted) {
        return;
    }
    const std::uint32_t length = arrived_[number].length;
    const std::uint32_t snap_bytes = session_->snap_bytes();
    write(shm::CapturePoint::kDrop,
          port_,
          reason,
          {staging_ + number * snap_bytes, std::min(length, snap_bytes)},
          length);
}

void CaptureTap::decide(std::span<const Verdict> verdicts) noexcept {
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
        if (verdicts[i].action == Action::kDrop) {
            write_drop(i, verdicts[i].reason);
        }
    }
    writer_->publish();
}

std::size_t CaptureTap::number_of(const rte_mbuf* mbuf) const noexcept {
    std::size_t number = 0;
    while (number < count_ && arrived_[number].mbuf != mbuf) {
        ++number;
    }
    return number;
}

void CaptureTap::leave(PortIndex port, std::span<rte_mbuf* const> mbufs) noexcept {
    if (!session_->wants(shm::CapturePoint::kTransmit)) {
        return;
    }
    for (const rte_mbuf* const mbuf : mbufs) {
        const std::span<const std::uint8_t> bytes(rte_pktmbuf_mtod(mbuf, const std::uint8_t*),
                                                  rte_pktmbuf_data_len(mbuf));
        const std::size_t number = number_of(mbuf);
        if ((number < count_ && arrived_[number].is_wanted) ||
            matches_filter(session_->filter(), bytes)) {
            write(shm::CapturePoint::kTransmit,
                  port,
                  DropReason::kNone,
                  bytes.first(std::min<std::size_t>(bytes.size(), session_->snap_bytes())),
                  rte_pktmbuf_data_len(mbuf));
        }
    }
    writer_->publish();
}

void CaptureTap::lose(const rte_mbuf* mbuf, DropReason reason) noexcept {
    const std::size_t number = number_of(mbuf);
    if (number == count_) {
        lose_held(mbuf, port_, reason);
        return;
    }
    write_drop(number, reason);
    writer_->publish();
}

void CaptureTap::lose_held(const rte_mbuf* mbuf, PortIndex port, DropReason reason) noexcept {
    const std::span<const std::uint8_t> bytes(rte_pktmbuf_mtod(mbuf, const std::uint8_t*),
                                              rte_pktmbuf_data_len(mbuf));
    if (!session_->wants(shm::CapturePoint::kDrop) || !matches_filter(session_->filter(), bytes)) {
        return;
    }
    write(shm::CapturePoint::kDrop,
          port,
          reason,
          bytes.first(std::min<std::size_t>(bytes.size(), session_->snap_bytes())),
          rte_pktmbuf_pkt_len(mbuf));
    writer_->publish();
}

}  // namespace fairlead::engine
