// Room for one packet that ends where a page begins that nobody may touch, and whose headroom
// begins behind a canary: a read or write outside it is noticed in any build.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>

#include <sys/mman.h>

#include "dp/forward/pipeline.h"

namespace fairlead::testing {

// Memory of two pages with a forbidden one on either side; what is placed in it ends with it.
class GuardedBuffer {
  public:
    GuardedBuffer() {
        void* const memory =
            ::mmap(nullptr, kBytes + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) {
            throw std::system_error(errno, std::generic_category(), "mmap");
        }
        start_ = static_cast<std::uint8_t*>(memory) + kPage;
        if (::mprotect(start_, kBytes, PROT_READ | PROT_WRITE) != 0) {
            throw std::system_error(errno, std::generic_category(), "mprotect");
        }
    }
    ~GuardedBuffer() { ::munmap(start_ - kPage, kBytes + 2 * kPage); }
    GuardedBuffer(const GuardedBuffer&) = delete;
    GuardedBuffer& operator=(const GuardedBuffer&) = delete;

    [[nodiscard]] Packet place(std::span<const std::uint8_t> frame, std::uint32_t headroom) {
        std::uint8_t* const data = start_ + kBytes - frame.size();
        std::copy(frame.begin(), frame.end(), data);
        headroom_start_ = data - headroom;
        std::fill_n(headroom_start_ - kCanaryBytes, kCanaryBytes, kCanary);
        return {data, static_cast<std::uint32_t>(frame.size()), headroom};
    }
    // An empty packet's room, for a piece.
    [[nodiscard]] SparePacket spare(std::uint32_t room, std::uint32_t headroom) {
        std::uint8_t* const data = start_ + kBytes - room;
        headroom_start_ = data - headroom;
        std::fill_n(headroom_start_ - kCanaryBytes, kCanaryBytes, kCanary);
        return {.owner = this, .start = data, .room = room, .headroom = headroom};
    }
    [[nodiscard]] const std::uint8_t* headroom_start() const { return headroom_start_; }
    [[nodiscard]] bool is_canary_alive() const {
        return std::all_of(headroom_start_ - kCanaryBytes, headroom_start_, [](std::uint8_t byte) {
            return byte == kCanary;
        });
    }

  private:
    static constexpr std::size_t kPage = 4'096;
    static constexpr std::size_t kBytes = 2 * kPage;
    static constexpr std::size_t kCanaryBytes = 64;
    static constexpr std::uint8_t kCanary = 0xC5;
    std::uint8_t* start_ = nullptr;
    std::uint8_t* headroom_start_ = nullptr;
};

}  // namespace fairlead::testing
