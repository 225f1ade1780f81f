// Numbers of one pool of slots: which are free, which are in use, which must first be acknowledged.
//
// Plain memory of the daemon's loop. A slot is fresh (never used), used, or retired at a
// generation; a retired one is free when every live worker has acknowledged that generation
// (dp/shm/tables.h, acknowledged-before-reuse).
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>

namespace fairlead::publish {

class SlotPool {
  public:
    // Which slot to prefer. Fresh ones keep a number out of use for as long as possible, which is
    // right for what counters and flow entries refer to. The lowest ones keep the sparse file
    // small: a slot that has its memory already comes before one that never had any.
    enum class Prefer : bool {
        kFresh,
        kLowest
    };

    SlotPool(std::uint32_t capacity, Prefer prefer) : capacity_(capacity), prefer_(prefer) {}

    // Says that no slot below `first` is fresh, when a predecessor's segment is taken over.
    void start_fresh_at(std::uint32_t first) noexcept { fresh_ = first; }

    // Generations must not fall from one call to the next.
    void retire(std::uint32_t slot, std::uint64_t generation) {
        retired_.push_back({slot, generation});
    }
    // Takes back what was taken and never published.
    void give_back(std::uint32_t slot) { retired_.push_front({slot, 0}); }

    // Whether take() would give one.
    [[nodiscard]] bool has_free(std::uint64_t acknowledged) const noexcept {
        return fresh_ < capacity_ ||
               (!retired_.empty() && retired_.front().generation <= acknowledged);
    }

    // `acknowledged` is the lowest generation that a live worker has acknowledged.
    [[nodiscard]] std::optional<std::uint32_t> take(std::uint64_t acknowledged) {
        const bool has_fresh = fresh_ < capacity_;
        if (has_fresh && prefer_ == Prefer::kFresh) {
            return fresh_++;
        }
        const auto place = first_free(acknowledged);
        if (place == retired_.end()) {
            return has_fresh ? std::optional(fresh_++) : std::nullopt;
        }
        const std::uint32_t slot = place->slot;
        retired_.erase(place);
        return slot;
    }

  private:
    struct Retired {
        std::uint32_t slot;
        std::uint64_t generation;
    };

    // The one to take of those that are free, or the end.
    [[nodiscard]] std::deque<Retired>::iterator first_free(std::uint64_t acknowledged) {
        const auto end = std::find_if(retired_.begin(), retired_.end(), [&](const Retired& each) {
            return each.generation > acknowledged;
        });
        if (end == retired_.begin()) {
            return retired_.end();
        }
        return prefer_ == Prefer::kFresh
                   ? retired_.begin()
                   : std::min_element(
                         retired_.begin(), end, [](const Retired& one, const Retired& other) {
                             return one.slot < other.slot;
                         });
    }

    std::uint32_t capacity_;
    Prefer prefer_;
    std::uint32_t fresh_ = 0;
    std::deque<Retired> retired_;
};

}  // namespace fairlead::publish
