#include "dp/forward/fragments/piece_set.h"

namespace fairlead {

PieceFit PieceSet::add(std::uint32_t from, std::uint32_t to, bool is_last) noexcept {
    if (end_ != 0 && (to > end_ || (is_last && to != end_))) {
        return PieceFit::kOverlaps;
    }
    if (is_last && count_ != 0 && stretches_[count_ - 1].to > to) {
        return PieceFit::kOverlaps;
    }
    // The first stretch that ends at or behind the piece's beginning.
    std::size_t place = 0;
    while (place < count_ && stretches_[place].to < from) {
        ++place;
    }
    const bool touches_left = place < count_ && stretches_[place].to == from;
    const std::size_t next = touches_left ? place + 1 : place;  // all of it is behind `from`
    if (next < count_ && stretches_[next].from < to) {
        const Stretch met = stretches_[next];
        return met.from <= from && to <= met.to ? PieceFit::kRepeats : PieceFit::kOverlaps;
    }
    const bool touches_right = next < count_ && stretches_[next].from == to;
    if (!touches_left && !touches_right && count_ == kMaxStretches) {
        return PieceFit::kNoRoom;
    }
    if (is_last) {
        end_ = static_cast<std::uint16_t>(to);
    }
    if (touches_left && touches_right) {
        stretches_[place].to = stretches_[next].to;
        remove_at(next);
    } else if (touches_left) {
        stretches_[place].to = static_cast<std::uint16_t>(to);
    } else if (touches_right) {
        stretches_[next].from = static_cast<std::uint16_t>(from);
    } else {
        insert_at(place, {static_cast<std::uint16_t>(from), static_cast<std::uint16_t>(to)});
    }
    return PieceFit::kFits;
}

void PieceSet::insert_at(std::size_t place, Stretch stretch) noexcept {
    for (std::size_t i = count_; i > place; --i) {
        stretches_[i] = stretches_[i - 1];
    }
    stretches_[place] = stretch;
    ++count_;
}

void PieceSet::remove_at(std::size_t place) noexcept {
    --count_;
    for (std::size_t i = place; i < count_; ++i) {
        stretches_[i] = stretches_[i + 1];
    }
}

}  // namespace fairlead
