// One capture: its memory, and the worker's end of each lane (dp/shm/capture.h).
//
// Ownership: the session owns the mapping and its descriptor. Thread: it is made and destroyed by
// the control thread; a CaptureWriter is its worker's alone, but for release().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dp/base/burst.h"
#include "dp/base/descriptor.h"
#include "dp/base/ids.h"
#include "dp/base/result.h"
#include "dp/shm/capture.h"

namespace fairlead::engine {

// Writes records into one lane. Never waits: what finds no room is counted.
class CaptureWriter {
  public:
    CaptureWriter(shm::CaptureLane& lane, std::span<std::byte> ring)
        : lane_(&lane), ring_(ring.data()), ring_bytes_(ring.size()) {}

    // Copies record.captured bytes. The record is seen by the reader after publish().
    void write(const shm::CaptureRecord& record, const std::uint8_t* bytes) noexcept;
    void publish() noexcept {
        // Pairs with the reader's acquire: who sees the position sees the records before it.
        lane_->written.store(written_, std::memory_order_release);
    }

    // The control thread: the reader has read up to here. A position that cannot be is passed over.
    void release(std::uint64_t position) noexcept;

  private:
    shm::CaptureLane* lane_;
    std::byte* ring_;
    std::uint64_t ring_bytes_;
    std::uint64_t written_ = 0;
    // Stored with release by the control thread, which learns it after the reader's last look;
    // acquired by the worker before it overwrites.
    alignas(kCacheLineBytes) std::atomic<std::uint64_t> released_{0};
};

class CaptureSession {
  public:
    // All memory is there when this returns, so that no worker waits for a page. Requires a request
    // that passed check_request().
    [[nodiscard]] static Result<std::unique_ptr<CaptureSession>> make(
        const shm::CaptureRequest& request,
        std::uint32_t workers,
        std::span<const std::string> port_names);
    ~CaptureSession();
    CaptureSession(const CaptureSession&) = delete;
    CaptureSession& operator=(const CaptureSession&) = delete;

    [[nodiscard]] bool wants(shm::CapturePoint point) const noexcept {
        return (points_ & shm::bit_of(point)) != 0;
    }
    [[nodiscard]] std::uint32_t snap_bytes() const noexcept { return snap_bytes_; }
    [[nodiscard]] std::span<const FilterInstruction> filter() const noexcept { return filter_; }
    [[nodiscard]] CaptureWriter& writer(WorkerIndex worker) noexcept {
        return *writers_[to_number(worker)];
    }
    // Room for a burst's packets as they arrived, kBurstPackets times snap_bytes(); the worker's
    // own.
    [[nodiscard]] std::uint8_t* staging(WorkerIndex worker) noexcept {
        return staging_[to_number(worker)].data();
    }
    [[nodiscard]] std::size_t lanes() const noexcept { return writers_.size(); }
    // Of the sealed file, to be sent to the reader.
    [[nodiscard]] int descriptor() const noexcept { return file_.get(); }

  private:
    CaptureSession() = default;
    [[nodiscard]] Status map(std::uint32_t workers, std::span<const std::string> port_names);

    Descriptor file_;
    std::span<std::byte> memory_;
    std::uint32_t points_ = 0;
    std::uint32_t snap_bytes_ = 0;
    std::vector<FilterInstruction> filter_;
    std::vector<std::unique_ptr<CaptureWriter>> writers_;
    std::vector<std::vector<std::uint8_t>> staging_;
};

// What is wrong with a request that arrived as `bytes` bytes; "" if nothing is.
[[nodiscard]] std::string check_request(const shm::CaptureRequest& request, std::size_t bytes);

}  // namespace fairlead::engine
