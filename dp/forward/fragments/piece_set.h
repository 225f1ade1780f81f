// Which bytes of one datagram have gone by, in fixed memory.
//
// Theory of operation
//
// A set is a list of stretches [from, to), sorted, disjoint and never touching: pieces that touch
// become one stretch. So pieces in order need one stretch, in reversed order two, and k pieces that
// wait for others at most k + 1. Up to kMaxStretches of them are kept.
//
//   S1. add() says kOverlaps for a piece that shares a byte with a stretch without lying inside it,
//       and kRepeats for one that lies inside. Both are exact: the set is the union of all pieces
//       that fitted.
//   S2. A piece that would need one stretch more than there are is refused, kNoRoom, and may come
//       again. Were it let by and forgotten, so would be its repetitions, without an end.
//   S3. Where the datagram ends is fixed by the piece that says so: another end, or a byte beyond
//       it, is a contradiction and counts as overlap.
//   S4. is_whole() is never true too early: one stretch from 0 to the end.
//
// Example: [0, 1480) [2960, 4440) and then [1480, 2960): stretches 1, 2, 1. Then [1472, 1480) is a
// repetition; [4432, 5000) overlaps.
//
// Thread: one at a time. Bytes, counted from the datagram's first.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace fairlead {

enum class PieceFit : std::uint8_t {
    kFits,
    kRepeats,   // nothing in it is new
    kOverlaps,  // contradicts what is there
    kNoRoom,    // leaves a gap more than can be remembered
};

class PieceSet {
  public:
    static constexpr std::size_t kMaxStretches = 17;

    // Requires from < to <= 65,535. A piece that does not fit changes nothing.
    PieceFit add(std::uint32_t from, std::uint32_t to, bool is_last) noexcept;

    [[nodiscard]] bool is_whole() const noexcept {
        return end_ != 0 && count_ == 1 && stretches_[0].from == 0 && stretches_[0].to == end_;
    }
    [[nodiscard]] std::size_t stretch_count() const noexcept { return count_; }

  private:
    struct Stretch {
        std::uint16_t from;
        std::uint16_t to;
    };

    void insert_at(std::size_t place, Stretch stretch) noexcept;
    void remove_at(std::size_t place) noexcept;

    std::uint16_t end_ = 0;  // 0: not known yet
    std::uint16_t count_ = 0;
    std::array<Stretch, kMaxStretches> stretches_{};
};
static_assert(sizeof(PieceSet) == 72);

}  // namespace fairlead
