// What the packet table (tests/packet) cannot show: the limit over time, ports, headroom, counters.
#include "dp/forward/answers/reply.h"

#include <gtest/gtest.h>

#include "tests/support/lending_rig.h"

namespace fairlead {
namespace {

using testing::Bytes;
using testing::LendingRig;
using testing::make_frame;

Bytes expiring() {
    return make_frame({.destination = "203.0.113.11", .ttl = 1});
}

TEST(ReplyLimit, GivesABurstAndThenTheRate) {
    ReplyLimit limit;
    const auto take_all = [&limit](std::uint64_t now_ms) {
        std::uint64_t taken = 0;
        while (limit.take(ReplyKind::kEcho, now_ms)) {
            ++taken;
        }
        return taken;
    };
    EXPECT_EQ(take_all(5'000), ReplyLimit::kBurst);
    EXPECT_EQ(take_all(5'000), 0U);
    EXPECT_EQ(take_all(5'010), ReplyLimit::kRepliesPerSecond / 100);
    EXPECT_EQ(take_all(1'000), 0U) << "a clock that jumps back gives nothing";
    EXPECT_EQ(take_all(0xFFFF'FFFF'FFFF'FFFF), ReplyLimit::kBurst) << "never more than the burst";
}

TEST(ReplyLimit, AFloodOfOneKindLeavesTheOthersAlone) {
    ReplyLimit limit;
    while (limit.take(ReplyKind::kEcho, 0)) {
    }
    EXPECT_TRUE(limit.take(ReplyKind::kTooBig, 0));
}

TEST(Reply, WhatTheLimitHoldsBackIsDroppedUnchangedAndCounted) {
    LendingRig rig;
    const Bytes frame = expiring();
    for (std::uint64_t i = 0; i < ReplyLimit::kBurst; ++i) {
        ASSERT_EQ(rig.forward(frame).verdict.reply, ReplyKind::kTimeExceeded);
    }
    const auto [verdict, bytes] = rig.forward(frame);
    EXPECT_EQ(verdict.action, Action::kDrop);
    EXPECT_EQ(verdict.reason, DropReason::kReplyRateLimited);
    EXPECT_EQ(bytes, frame);
    constexpr auto kKind = static_cast<std::size_t>(ReplyKind::kTimeExceeded);
    EXPECT_EQ(rig.worker().replies[kKind].get(), ReplyLimit::kBurst);
    EXPECT_EQ(rig.worker().suppressed_replies[kKind].get(), 1U);
    EXPECT_EQ(rig.dropped(DropReason::kReplyRateLimited), 1U);
    rig.context.now_ms += 1;
    EXPECT_EQ(rig.forward(frame).verdict.reply, ReplyKind::kTimeExceeded);
}

TEST(Reply, ALongPingCostsItsLimitBeforeItsChecksum) {
    LendingRig rig;
    rig.tables.vip_mark(testing::address("203.0.113.10")).vip_policy = shm::kAnswersEcho;
    rig.start();
    Bytes frame = testing::make_icmp_frame({.type = 8, .code = 0, .rest = 1}, Bytes(1'000, 7));
    const Bytes good = frame;
    frame.back() ^= 1U;
    for (std::uint64_t i = 0; i < ReplyLimit::kBurst; ++i) {
        ASSERT_EQ(rig.forward(frame).verdict.reason, DropReason::kBadIcmpChecksum);
    }
    EXPECT_EQ(rig.forward(frame).verdict.reason, DropReason::kReplyRateLimited);
    EXPECT_EQ(rig.forward(good).verdict.reason, DropReason::kReplyRateLimited);
    rig.context.now_ms += 1;
    EXPECT_EQ(rig.forward(good).verdict.reply, ReplyKind::kEcho);
}

TEST(Reply, LeavesByTheReceivingPortAndCountsForNoBackend) {
    LendingRig rig;
    rig.tables.snapshot().port_count = 2;
    rig.tables.port(1).mac = testing::mac("02:00:00:00:00:02");
    rig.start();
    rig.context.receiving_port = PortIndex{1};
    EXPECT_EQ(rig.forward(expiring()).verdict.action, Action::kKernel)
        << "sent to port 0's address";
    Bytes frame = expiring();
    frame[5] = 2;
    const auto verdict = rig.forward(frame).verdict;
    EXPECT_EQ(verdict.reply, ReplyKind::kTimeExceeded);
    EXPECT_EQ(verdict.port, PortIndex{1});
    EXPECT_EQ(verdict.backend, kNoBackendIndex);
    for (std::uint16_t i = 0; i < 8; ++i) {
        EXPECT_EQ(rig.backend(BackendIndex{i}).forwarded_packets.get(), 0U);
    }
    rig.context.receiving_port = PortIndex{2};
    EXPECT_EQ(rig.forward(frame).verdict.reason, DropReason::kTtlExpired)
        << "no such port, whose address nobody knows";
}

TEST(Reply, NeedsRoomForItsHeaders) {
    for (const bool is_v6 : {false, true}) {
        LendingRig rig;
        const std::uint32_t needed = is_v6 ? 48 : 28;
        const Bytes frame = is_v6 ? make_frame({.source = "2001:db8:c::7",
                                                .destination = "2001:db8::11",
                                                .destination_port = 514,
                                                .protocol = kProtocolUdp,
                                                .ttl = 1})
                                  : expiring();
        EXPECT_EQ(rig.forward(frame, needed - 1).verdict.reason, DropReason::kTtlExpired);
        EXPECT_EQ(rig.forward(frame, needed).verdict.reply, ReplyKind::kTimeExceeded);
    }
}

TEST(Reply, ComesFromTheVipWhereTheReceivingPortHasNoAddress) {
    LendingRig rig;
    rig.tables.snapshot().port_count = 2;
    rig.tables.port(1).mac = rig.tables.port(0).mac;
    rig.start();
    rig.context.receiving_port = PortIndex{1};
    const auto [verdict, bytes] = rig.forward(expiring());
    ASSERT_EQ(verdict.reply, ReplyKind::kTimeExceeded);
    EXPECT_EQ(Bytes(bytes.begin() + 26, bytes.begin() + 30), (Bytes{203, 0, 113, 11}));
}

TEST(Reply, AnIpv6PacketOfTheLeastMtuIsNotToldToShrink) {
    LendingRig rig;
    rig.tables.port(0).mtu_bytes = 1'300;  // leaves 1,260 in a tunnel
    const auto frame = [](std::size_t ip_bytes) {
        return make_frame({.source = "2001:db8:c::7",
                           .destination = "2001:db8::11",
                           .destination_port = 514,
                           .protocol = kProtocolUdp,
                           .payload_bytes = ip_bytes - 48});
    };
    EXPECT_EQ(rig.forward(frame(1'280)).verdict.reason, DropReason::kTooBig);
    const auto [verdict, bytes] = rig.forward(frame(1'281));
    ASSERT_EQ(verdict.reply, ReplyKind::kTooBig);
    EXPECT_EQ(bytes.size(), 14U + 1'280U);
    EXPECT_EQ(bytes[14 + 40 + 6] << 8U | bytes[14 + 40 + 7], 1'280) << "RFC 8200, 5";
}

}  // namespace
}  // namespace fairlead
