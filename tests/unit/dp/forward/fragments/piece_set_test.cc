#include "dp/forward/fragments/piece_set.h"

#include <algorithm>
#include <bitset>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace fairlead {
namespace {

// What the set claims to know, byte by byte.
class Model {
  public:
    [[nodiscard]] PieceFit add(std::uint32_t from, std::uint32_t to, bool is_last) {
        std::uint32_t highest = 0;
        std::uint32_t known = 0;
        for (std::uint32_t i = 0; i < seen_.size(); ++i) {
            highest = seen_[i] ? i + 1 : highest;
            known += seen_[i] && i >= from && i < to ? 1U : 0U;
        }
        const bool ends_differ = end_ != 0 && (to > end_ || (is_last && to != end_));
        if (ends_differ || (is_last && highest > to)) {
            return PieceFit::kOverlaps;
        }
        if (known != 0) {
            // Inside one stretch, not merely covered: stretches that touch are one.
            return known == to - from ? PieceFit::kRepeats : PieceFit::kOverlaps;
        }
        for (std::uint32_t i = from; i < to; ++i) {
            seen_.set(i);
        }
        end_ = is_last ? to : end_;
        return PieceFit::kFits;
    }
    [[nodiscard]] bool is_whole() const { return end_ != 0 && seen_.count() == end_; }
    [[nodiscard]] std::size_t stretches() const {
        std::size_t count = 0;
        for (std::size_t i = 0; i < seen_.size(); ++i) {
            count += seen_[i] && (i == 0 || !seen_[i - 1]) ? 1U : 0U;
        }
        return count;
    }

  private:
    std::bitset<512> seen_;
    std::uint32_t end_ = 0;
};

TEST(PieceSet, AgreesWithAByteMapAsLongAsItHasRoom) {
    std::mt19937 random(7);
    std::vector<std::size_t> fits(3);
    for (int round = 0; round < 20'000; ++round) {
        PieceSet set;
        Model model;
        for (int step = 0; step < 24 && model.stretches() < PieceSet::kMaxStretches; ++step) {
            const auto from = static_cast<std::uint32_t>(random() % 60 * 8);
            const auto to = static_cast<std::uint32_t>(from + 1 + random() % 24);
            const bool is_last = random() % 12 == 0;
            const PieceFit expected = model.add(from, to, is_last);
            ASSERT_EQ(set.add(from, to, is_last), expected) << from << " to " << to;
            ASSERT_EQ(set.is_whole(), model.is_whole());
            ASSERT_EQ(set.stretch_count(), model.stretches());
            ++fits[static_cast<std::size_t>(expected)];
        }
    }
    EXPECT_GT(*std::min_element(fits.begin(), fits.end()), 10'000U);
}

// Every order of the pieces of a datagram that needs no more stretches than there are.
TEST(PieceSet, AnyOrderOfThePiecesIsWholeAtTheEndAndNotBefore) {
    constexpr std::uint32_t kPiece = 1'480;
    for (std::uint32_t pieces = 1; pieces <= 2 * PieceSet::kMaxStretches - 1; ++pieces) {
        std::vector<std::uint32_t> order(pieces);
        for (std::uint32_t i = 0; i < pieces; ++i) {
            order[i] = i;
        }
        std::mt19937 random(pieces);
        for (int round = 0; round < 100; ++round) {
            std::shuffle(order.begin(), order.end(), random);
            PieceSet set;
            for (std::uint32_t done = 0; done < pieces; ++done) {
                ASSERT_FALSE(set.is_whole());
                const std::uint32_t i = order[done];
                const bool is_last = i + 1 == pieces;
                ASSERT_EQ(set.add(i * kPiece, (i + 1) * kPiece - (is_last ? 100 : 0), is_last),
                          PieceFit::kFits);
            }
            ASSERT_TRUE(set.is_whole());
        }
    }
}

TEST(PieceSet, WhatItHasNoRoomForIsRefusedAndChangesNothing) {
    PieceSet set;
    for (std::uint32_t i = 0; i < PieceSet::kMaxStretches; ++i) {
        ASSERT_EQ(set.add(i * 64, i * 64 + 8, false), PieceFit::kFits);
    }
    for (std::uint32_t i = PieceSet::kMaxStretches; i < 40; ++i) {
        ASSERT_EQ(set.add(i * 64, i * 64 + 8, i % 2 == 0), PieceFit::kNoRoom);
    }
    EXPECT_EQ(set.stretch_count(), PieceSet::kMaxStretches);
    EXPECT_EQ(set.add(0, 8, false), PieceFit::kRepeats);
    EXPECT_EQ(set.add(0, 16, false), PieceFit::kOverlaps);
    // One gap is closed, so there is room for another; no refused piece has fixed the end.
    EXPECT_EQ(set.add(8, 64, false), PieceFit::kFits);
    EXPECT_EQ(set.add(39 * 64, 39 * 64 + 8, true), PieceFit::kFits);
    EXPECT_EQ(set.add(38 * 64, 38 * 64 + 8, false), PieceFit::kNoRoom);
    EXPECT_FALSE(set.is_whole());
}

TEST(PieceSet, TheLargestDatagramFits) {
    PieceSet set;
    EXPECT_EQ(set.add(0, 65'528, false), PieceFit::kFits);
    EXPECT_EQ(set.add(65'528, 65'535, true), PieceFit::kFits);
    EXPECT_TRUE(set.is_whole());
}

}  // namespace
}  // namespace fairlead
