#include "dp/engine/away_ring.h"

#include <array>
#include <memory>

#include <gtest/gtest.h>

#include "bpf/abi/flow_hash.h"

namespace fairlead::engine {
namespace {

constexpr std::uint32_t kEntries = 7;
using Ring = std::array<std::uint16_t, kEntries>;
constexpr Ring kFirst{0, 1, 2, 0, 1, 2, 0};
constexpr Ring kMoved{0, 1, 2, 3, 1, 2, 0};  // slot 3 went from 0 to 3
constexpr std::uint32_t kSlot = 3;

// A signature whose slot is this one.
std::uint32_t signature_in(std::uint32_t slot) {
    std::uint32_t signature = 0;
    while (fl_ring_slot(std::uint64_t{signature} << 32U, kEntries) != slot) {
        signature += 0x0100'0000;
    }
    return signature;
}

class AwayRingTest : public ::testing::Test {
  protected:
    static void end_passes(AwayRing& ring, int count) {
        for (int i = 0; i < count; ++i) {
            ring.end_pass();
        }
    }
    [[nodiscard]] bool is_settled(std::uint32_t slot) const {
        return (memory_->slots[slot] & STEER_SLOT_SETTLED) != 0;
    }
    [[nodiscard]] unsigned owner(std::uint32_t slot) const {
        return memory_->slots[slot] & ~unsigned{STEER_SLOT_SETTLED};
    }
    // With kFirst, and settled.
    [[nodiscard]] AwayRing settled(bool is_by_source = false) const {
        AwayRing ring(*memory_, {kEntries, is_by_source}, false);
        ring.follow(kFirst);
        end_passes(ring, 3);
        return ring;
    }

    std::unique_ptr<steer_ring> memory_ = std::make_unique<steer_ring>();
};

TEST_F(AwayRingTest, SettlesWhatNobodyStraysInAfterTwoWholePasses) {
    AwayRing ring(*memory_, {kEntries, false}, false);
    EXPECT_EQ(owner(kSlot), unsigned{STEER_SLOT_EMPTY});
    ring.follow(kFirst);
    EXPECT_EQ(owner(kSlot), 0U);
    end_passes(ring, 2);  // one of them may have begun before the ring was there
    EXPECT_FALSE(is_settled(kSlot) || ring.is_settled());
    end_passes(ring, 1);
    EXPECT_TRUE(is_settled(kSlot) && ring.is_settled());
}

TEST_F(AwayRingTest, ASlotThatMovesIsUnsettledAtOnceAndTheOthersStaySettled) {
    AwayRing ring = settled();
    ring.follow(kMoved);
    EXPECT_EQ(memory_->slots[kSlot], 3) << "the new owner, without the mark";
    EXPECT_FALSE(ring.is_settled());
    for (const std::uint32_t slot : {0U, 1U, 2U, 4U, 5U, 6U}) {
        EXPECT_TRUE(is_settled(slot)) << slot;
    }
}

TEST_F(AwayRingTest, ASlotIsUnsettledForAsLongAsAFlowOfAFormerOwnerLives) {
    AwayRing ring = settled();
    ring.follow(kMoved);
    for (int pass = 0; pass < 100; ++pass) {
        ring.see(signature_in(kSlot), BackendIndex{0});
        ring.see(signature_in(kSlot), BackendIndex{3});
        ring.end_pass();
        ASSERT_FALSE(is_settled(kSlot));
    }
    end_passes(ring, 1);
    EXPECT_FALSE(is_settled(kSlot)) << "a flow may have been missed while it was adopted";
    end_passes(ring, 1);
    EXPECT_TRUE(is_settled(kSlot));
}

TEST_F(AwayRingTest, FlowsOfTheOwnerAreNoReasonToWait) {
    AwayRing ring = settled();
    ring.follow(kMoved);
    for (int pass = 0; pass < 3; ++pass) {
        ring.see(signature_in(kSlot), BackendIndex{3});
        ring.end_pass();
    }
    EXPECT_TRUE(ring.is_settled());
}

TEST_F(AwayRingTest, ASlotThatMovesBackIsUnsettledAgain) {
    AwayRing ring = settled();
    ring.follow(kMoved);
    end_passes(ring, 3);
    ring.see(signature_in(kSlot), BackendIndex{3});
    ring.follow(kFirst);
    EXPECT_FALSE(is_settled(kSlot));
}

TEST_F(AwayRingTest, ANextEngineGoesOnWithWhatIsSettledAndTakesBackWhatIsNot) {
    (void)settled();
    AwayRing next(*memory_, {kEntries, false}, true);
    EXPECT_TRUE(next.is_settled());
    next.follow(kMoved);
    EXPECT_TRUE(is_settled(0));
    EXPECT_FALSE(is_settled(kSlot));
    // As a program that knew nothing of all this would leave it.
    next.see(signature_in(0), BackendIndex{1});
    next.end_pass();
    EXPECT_FALSE(is_settled(0));
}

TEST_F(AwayRingTest, WhereClientsChooseTheSlotAnyFlowKeepsWhatHasMovedUnsettled) {
    AwayRing ring = settled(true);
    EXPECT_TRUE(ring.is_settled());
    ring.follow(kMoved);
    for (int pass = 0; pass < 5; ++pass) {
        ring.see(signature_in(0), BackendIndex{2});  // says nothing of the slot
        ring.end_pass();
        ASSERT_FALSE(is_settled(kSlot));
        ASSERT_TRUE(is_settled(0));
    }
    end_passes(ring, 2);
    EXPECT_TRUE(ring.is_settled());
}

TEST_F(AwayRingTest, ASlotOfNobodyIsMarkedSo) {
    AwayRing ring(*memory_, {kEntries, false}, false);
    Ring nobody{};
    nobody.fill(to_number(kNoBackendIndex));
    ring.follow(nobody);
    EXPECT_EQ(owner(kSlot), unsigned{STEER_SLOT_EMPTY});
}

}  // namespace
}  // namespace fairlead::engine
