// An object that one thread lends to another and takes back: a hazard pointer for two.
//
// Theory of operation
//
// The lender offers an object by a pointer; the borrower looks at the pointer whenever it likes,
// and may use the object from take() until the take() after it. The lender takes it back by
// offering another one or nullptr, and may destroy it as soon as is_held() says no; it never waits.
//
//   L1. The borrower announces what it is about to use, and then looks whether that is still
//       offered; the lender ends its offer, and then looks what is announced. All four are
//       sequentially consistent, so at least one of the two sees the other (as in M. Michael's
//       "Hazard Pointers", 2004): the borrower takes another one, or the lender leaves it alone.
//   L2. An announcement is taken back with release after the last use, and is_held() acquires it.
//
// Cost: the borrower's look is one relaxed load of a line that nobody else writes.
#pragma once

#include <atomic>

#include "dp/base/cache_line.h"

namespace fairlead {

template <typename T>
class alignas(kCacheLineBytes) Loan {
  public:
    // Lender. The object is whole; nullptr ends the offer.
    void offer(T* object) noexcept { offered_.store(object, std::memory_order_seq_cst); }
    // Whether the borrower may use anything. Requires that nullptr is offered.
    [[nodiscard]] bool is_held() const noexcept {
        return held_.load(std::memory_order_seq_cst) != nullptr;
    }

    // Borrower. Whether something else is offered than what it has.
    [[nodiscard]] bool is_news(const T* object) const noexcept {
        return offered_.load(std::memory_order_relaxed) != object;
    }
    // Gives back what it has, and takes what is offered, or nullptr.
    [[nodiscard]] T* take() noexcept {
        T* object = offered_.load(std::memory_order_relaxed);
        for (;;) {
            held_.store(object, std::memory_order_seq_cst);
            T* const now = offered_.load(std::memory_order_seq_cst);
            if (now == object) {
                return object;
            }
            object = now;
        }
    }

  private:
    std::atomic<T*> offered_{nullptr};
    std::atomic<T*> held_{nullptr};
};

}  // namespace fairlead
