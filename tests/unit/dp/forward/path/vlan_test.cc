#include "dp/forward/path/vlan.h"

#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "dp/base/burst.h"
#include "dp/net/parse.h"
#include "tests/support/lending_rig.h"

namespace fairlead {
namespace {

using testing::Bytes;
using testing::Forwarded;
using testing::LendingRig;

constexpr std::uint16_t kVlan = 7;
constexpr std::size_t kTwoBursts = 2 * kBurstPackets;  // two parts for the stages

// IEEE 802.1Q, 9.3: behind the MAC addresses.
Bytes tagged(Bytes frame, std::uint16_t control, std::uint16_t type = 0x8100) {
    const std::array<std::uint8_t, 4> tag{static_cast<std::uint8_t>(type >> 8U),
                                          static_cast<std::uint8_t>(type & 0xFFU),
                                          static_cast<std::uint8_t>(control >> 8U),
                                          static_cast<std::uint8_t>(control & 0xFFU)};
    frame.insert(frame.begin() + 12, tag.begin(), tag.end());
    return frame;
}

class Vlan : public ::testing::Test {
  protected:
    Vlan() { give_vlan(kVlan); }
    void give_vlan(std::uint16_t vlan) {
        rig_.tables.port(0).vlan = vlan;
        rig_.start();
    }

    LendingRig rig_;
    const Bytes plain_ = testing::make_frame({});
};

TEST_F(Vlan, IsOneOfTwelveBitsAndOfAPortThatThereIs) {
    EXPECT_EQ(vlan_of(rig_.context.snapshot, PortIndex{0}), kVlan);
    EXPECT_EQ(vlan_of(rig_.context.snapshot, PortIndex{1}), 0);
    EXPECT_EQ(vlan_of(rig_.context.snapshot, PortIndex{255}), 0);
    give_vlan(0xFFFF);
    EXPECT_EQ(vlan_of(rig_.context.snapshot, PortIndex{0}), 0x0FFF);
    give_vlan(0x7000);  // a scribbled segment
    EXPECT_EQ(vlan_of(rig_.context.snapshot, PortIndex{0}), 0);
    EXPECT_EQ(rig_.forward(plain_).verdict.action, Action::kTransmit);
}

TEST_F(Vlan, ABurstKeepsItsOrderWhateverIsTheKernels) {
    LendingRig untagged;
    std::vector<Bytes> came;
    std::vector<Bytes> blocks;
    std::vector<Packet> packets;
    std::vector<Verdict> verdicts(kTwoBursts);
    for (std::size_t i = 0; i < kTwoBursts; ++i) {
        const Bytes frame =
            testing::make_frame({.source_port = static_cast<std::uint16_t>(40'000 + i)});
        came.push_back(i % 3 == 0 ? frame : tagged(frame, i % 3 == 1 ? kVlan : kVlan + 1));
    }
    for (const Bytes& frame : came) {
        blocks.push_back(frame);
        packets.push_back({blocks.back().data(), static_cast<std::uint32_t>(frame.size()), 0});
    }
    forward_burst(rig_.context, packets, verdicts);
    for (std::size_t i = 0; i < kTwoBursts; ++i) {
        SCOPED_TRACE(i);
        ASSERT_EQ(packets[i].data, blocks[i].data());
        ASSERT_EQ(packets[i].length, blocks[i].size());
        if (i % 3 != 1) {
            EXPECT_EQ(verdicts[i].action, Action::kKernel);
            EXPECT_EQ(blocks[i], came[i]);
            continue;
        }
        const Forwarded alone = untagged.forward(
            testing::make_frame({.source_port = static_cast<std::uint16_t>(40'000 + i)}));
        EXPECT_EQ(verdicts[i].action, Action::kTransmit);
        EXPECT_EQ(verdicts[i].backend, alone.verdict.backend);
        EXPECT_EQ(blocks[i], tagged(alone.bytes, kVlan));
    }
    EXPECT_EQ(rig_.worker().packets.get(), kTwoBursts);
    EXPECT_EQ(rig_.worker().kernel_packets.get(), kTwoBursts - (kTwoBursts + 1) / 3);
}

TEST_F(Vlan, BytesAreCountedWithoutTheTag) {
    (void)rig_.forward(tagged(plain_, kVlan));
    EXPECT_EQ(rig_.service(testing::kPortal).received_bytes.get(), plain_.size());
}

TEST_F(Vlan, WhatCannotBeTaggedIsADropOfItsService) {
    rig_.tables.port(1) = rig_.tables.port(0);
    rig_.tables.port(1).vlan = 0;
    rig_.tables.snapshot().port_count = 2;
    rig_.start();
    rig_.context.receiving_port = PortIndex{1};
    const Forwarded forwarded = rig_.forward(plain_, 3);
    EXPECT_EQ(forwarded.verdict.action, Action::kDrop);
    EXPECT_EQ(forwarded.verdict.reason, DropReason::kNoHeadroom);
    EXPECT_EQ(rig_.dropped(DropReason::kNoHeadroom), 1U);
    EXPECT_EQ(rig_.service(testing::kPortal)
                  .dropped[static_cast<std::size_t>(DropReason::kNoHeadroom)]
                  .get(),
              1U);
    EXPECT_EQ(rig_.forward(plain_, 4).verdict.action, Action::kTransmit);
}

TEST_F(Vlan, TheBytesOfATagAreNoHeadroomForATunnel) {
    constexpr std::uint32_t kOuter = 20;
    const Bytes frame = tagged(testing::make_frame({.destination = "203.0.113.11"}), kVlan);
    const Forwarded refused = rig_.forward(frame, kOuter - 1);
    EXPECT_EQ(refused.verdict.reason, DropReason::kNoHeadroom);
    EXPECT_EQ(refused.bytes, frame);
    const Forwarded left = rig_.forward(frame, kOuter);
    EXPECT_EQ(left.verdict.action, Action::kTransmit);
    EXPECT_EQ(left.bytes.size(), frame.size() + kOuter);
}

TEST_F(Vlan, NothingIsTakenOffWhereNoPortHasOne) {
    give_vlan(0);
    EXPECT_FALSE(rig_.context.snapshot.has_vlans);
    const Bytes frame = tagged(plain_, kVlan);
    const Forwarded left = rig_.forward(frame);
    EXPECT_EQ(left.verdict.action, Action::kKernel);
    EXPECT_EQ(left.bytes, frame);
}

TEST_F(Vlan, PriorityTagsAreTakenOffAmongOtherFramesOfABurst) {
    give_vlan(0);
    LendingRig untagged;
    std::vector<Bytes> came;
    std::vector<Bytes> blocks;
    std::vector<Packet> packets;
    std::vector<Verdict> verdicts(kTwoBursts);
    const auto frame_of = [](std::size_t i) {
        return testing::make_frame({.source_port = static_cast<std::uint16_t>(40'000 + i)});
    };
    for (std::size_t i = 0; i < kTwoBursts; ++i) {
        const auto control = static_cast<std::uint16_t>(i % 8 << 13U | (i % 3 == 1 ? 0U : 9U));
        came.push_back(i % 3 == 0 ? frame_of(i) : tagged(frame_of(i), control));
    }
    for (const Bytes& frame : came) {
        blocks.push_back(frame);
        packets.push_back({blocks.back().data(), static_cast<std::uint32_t>(frame.size()), 0});
    }
    forward_burst(rig_.context, packets, verdicts);
    std::size_t forwarded = 0;
    for (std::size_t i = 0; i < kTwoBursts; ++i) {
        SCOPED_TRACE(i);
        const Bytes left(packets[i].data, packets[i].data + packets[i].length);
        if (i % 3 == 2) {
            EXPECT_EQ(verdicts[i].action, Action::kKernel);
            EXPECT_EQ(left, came[i]);
            continue;
        }
        const Forwarded alone = untagged.forward(frame_of(i));
        EXPECT_EQ(verdicts[i].action, Action::kTransmit);
        EXPECT_EQ(verdicts[i].backend, alone.verdict.backend);
        EXPECT_EQ(left, alone.bytes);
        ++forwarded;
    }
    EXPECT_EQ(rig_.worker().packets.get(), kTwoBursts);
    EXPECT_EQ(rig_.worker().kernel_packets.get(), kTwoBursts - forwarded);
    EXPECT_EQ(rig_.service(testing::kPortal).received_packets.get(), forwarded);
}

}  // namespace
}  // namespace fairlead
