// When which VIP is announced to the neighbors, and the queue by which a worker hears of it.
//
// Theory of operation: what is sent is dp/forward's (advertisement.h). A VIP is due when the
// workers begin to forward for it: with the first generation that an engine follows, or with the
// one that adds the VIP; all of them are due again when a port's MAC address changes or its link
// comes back. A due VIP is announced kAnnouncements times, kAnnouncementInterval apart: RFC
// 4861, 7.2.6 allows three, a second apart at least, RFC 5227, 1.1 wants two, two seconds apart.
//
// The queues of the ports belong to the workers, so the control thread hands addresses to the first
// worker, one a turn of its loop at most, and the worker sends one a millisecond at most, by every
// port: some 500 frames a second and port, however many VIPs there are. Nothing is lost when the
// queue is full, it only waits.
//
// Thread: Announcer is the control thread's. AnnouncementQueue has one writer and one reader.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "dp/net/ip_address.h"
#include "dp/net/mac_address.h"

namespace fairlead::engine {

class AnnouncementQueue {
  public:
    static constexpr std::size_t kCapacity = 64;

    // The writer's. False: full.
    [[nodiscard]] bool push(const IpAddress& vip) noexcept {
        const std::size_t at = written_.load(std::memory_order_relaxed);
        // Pairs with pop()'s release: the reader is done with the place.
        if (at - read_.load(std::memory_order_acquire) == kCapacity) {
            return false;
        }
        places_[at % kCapacity] = vip;
        written_.store(at + 1, std::memory_order_release);
        return true;
    }

    // The reader's: the oldest one, or nullptr. It stays until pop().
    [[nodiscard]] const IpAddress* front() const noexcept {
        const std::size_t at = read_.load(std::memory_order_relaxed);
        // Pairs with push()'s release.
        return at == written_.load(std::memory_order_acquire) ? nullptr : &places_[at % kCapacity];
    }
    // Requires that front() is one.
    void pop() noexcept {
        read_.store(read_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

  private:
    std::array<IpAddress, kCapacity> places_;
    std::atomic<std::size_t> written_{0};
    std::atomic<std::size_t> read_{0};
};

class Announcer {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr unsigned kAnnouncements = 3;
    static constexpr std::chrono::seconds kAnnouncementInterval{2};

    // The workers follow a generation with these VIPs and these MAC addresses of ports. Each VIP is
    // there once.
    void follow(std::vector<IpAddress> vips, std::vector<MacAddress> macs, Clock::time_point now);

    // All VIPs are due again.
    void repeat(Clock::time_point now);

    // Puts the VIP that has been due for longest, if there is one, into the queue.
    void turn(AnnouncementQueue& queue, Clock::time_point now);

  private:
    struct Due {
        IpAddress vip;
        unsigned left = 0;
        Clock::time_point at;
    };

    std::vector<IpAddress> vips_;  // sorted
    std::vector<MacAddress> macs_;
    // By time: what is put back is due last, since the interval is the same for all.
    std::deque<Due> due_;
};

}  // namespace fairlead::engine
