#include "dp/forward/fragments/held_packets.h"

#include <vector>

#include <gtest/gtest.h>

#include "dp/net/parse.h"
#include "tests/support/lending_rig.h"

namespace fairlead {
namespace {

using testing::Bytes;
using testing::LendingRig;

// A fragment to 203.0.113.10 (portal, l2) in a buffer of its own.
class Piece {
  public:
    Piece(std::uint16_t identification, std::uint16_t flags_and_offset)
        : bytes_(testing::make_frame({.payload_bytes = 380})) {
        auto& ip = header_at<Ipv4Header>(bytes_.data() + sizeof(EthernetHeader));
        ip.identification.set(Be16::from_host(identification));
        ip.flags_and_offset.set(Be16::from_host(flags_and_offset));
        testing::fix_ip_checksum(bytes_);
    }
    [[nodiscard]] Packet packet() {
        return {bytes_.data(), static_cast<std::uint32_t>(bytes_.size()), 0};
    }

  private:
    Bytes bytes_;
};

std::vector<Released> offered(HeldPackets& held, ForwardContext& context) {
    std::vector<Released> all;
    held.offer(context, [&all](const Released& released) { all.push_back(released); });
    return all;
}

TEST(HeldPackets, LeaveWhenTheirFirstPieceHasCome) {
    LendingRig rig;
    HeldPackets held;
    Piece later(7, 0x2000 | 50);
    Piece last(7, 100);
    Piece stranger(8, 100);
    for (Piece* const piece : {&later, &stranger, &last}) {
        EXPECT_EQ(held.add(rig.context, piece->packet(), piece).owner, nullptr);
    }
    EXPECT_TRUE(offered(held, rig.context).empty());
    EXPECT_EQ(held.size(), 3U);
    EXPECT_EQ(rig.worker().held_packets.get(), 3U);
    EXPECT_EQ(rig.worker().packets.get(), 0U);

    Piece first(7, 0x2000);
    Packet packet = first.packet();
    Verdict verdict;
    forward_burst(rig.context, {&packet, 1}, {&verdict, 1});
    ASSERT_EQ(verdict.action, Action::kTransmit);
    const std::vector<Released> leaving = offered(held, rig.context);
    ASSERT_EQ(leaving.size(), 2U);
    EXPECT_EQ(leaving[0].owner, &later);
    EXPECT_EQ(leaving[1].owner, &last);
    for (const Released& released : leaving) {
        EXPECT_EQ(released.verdict.action, Action::kTransmit);
        EXPECT_EQ(released.verdict.backend, verdict.backend);
    }
    EXPECT_EQ(held.size(), 1U);
    EXPECT_EQ(rig.worker().packets.get(), 3U);
    EXPECT_EQ(rig.worker().held_packets.get(), 3U) << "once each, however often they are offered";
}

TEST(HeldPackets, AreDroppedAndCountedWhenTheirTimeIsOver) {
    LendingRig rig;
    HeldPackets held;
    Piece piece(7, 50);
    rig.context.now_ms = 500;
    rig.context.receiving_port = PortIndex{1};
    (void)held.add(rig.context, piece.packet(), &piece);
    rig.context.receiving_port = PortIndex{0};
    rig.context.now_ms = 500 + kHoldMs - 1;
    EXPECT_TRUE(offered(held, rig.context).empty());
    rig.context.now_ms = 500 + kHoldMs;
    const std::vector<Released> leaving = offered(held, rig.context);
    ASSERT_EQ(leaving.size(), 1U);
    EXPECT_EQ(leaving[0].owner, &piece);
    EXPECT_EQ(leaving[0].port, PortIndex{1});
    EXPECT_EQ(leaving[0].verdict.action, Action::kDrop);
    EXPECT_EQ(leaving[0].verdict.reason, DropReason::kFragment);
    EXPECT_EQ(rig.dropped(DropReason::kFragment), 1U);
    EXPECT_EQ(rig.worker().packets.get(), 1U);
}

TEST(HeldPackets, TheOldestMakesRoom) {
    LendingRig rig;
    HeldPackets held;
    std::vector<Piece> pieces;
    for (std::uint16_t i = 0; i < HeldPackets::kCapacity + 40; ++i) {
        pieces.emplace_back(i, 50);
    }
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const Released leaving = held.add(rig.context, pieces[i].packet(), &pieces[i]);
        if (i < HeldPackets::kCapacity) {
            EXPECT_EQ(leaving.owner, nullptr);
        } else {
            EXPECT_EQ(leaving.owner, &pieces[i - HeldPackets::kCapacity]);
            EXPECT_EQ(leaving.verdict.reason, DropReason::kFragmentNoRoom);
        }
    }
    EXPECT_EQ(held.size(), HeldPackets::kCapacity);
    EXPECT_EQ(rig.dropped(DropReason::kFragmentNoRoom), 40U);
    EXPECT_EQ(rig.worker().packets.get(), 40U);
    rig.context.now_ms = kHoldMs;
    EXPECT_EQ(offered(held, rig.context).size(), HeldPackets::kCapacity);
    EXPECT_EQ(held.size(), 0U);
}

}  // namespace
}  // namespace fairlead
