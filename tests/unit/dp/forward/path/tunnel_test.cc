#include "dp/forward/path/tunnel.h"

#include <array>

#include <gtest/gtest.h>

#include "tests/support/lending_rig.h"

namespace fairlead {
namespace {

using shm::ForwardingMode;
using testing::Bytes;
using testing::LendingRig;
using testing::make_frame;

struct Mix {
    ForwardingMode mode;
    bool inner_is_v6;
    bool outer_is_v6;
    std::uint32_t overhead;
};

constexpr std::array<Mix, 12> kMixes{{
    {ForwardingMode::kIpip, false, false, 20},
    {ForwardingMode::kIpip, true, false, 20},
    {ForwardingMode::kIpip, false, true, 40},
    {ForwardingMode::kIpip, true, true, 40},
    {ForwardingMode::kGre, false, false, 24},
    {ForwardingMode::kGre, true, false, 24},
    {ForwardingMode::kGre, false, true, 44},
    {ForwardingMode::kGre, true, true, 44},
    {ForwardingMode::kGue, false, false, 32},
    {ForwardingMode::kGue, true, false, 32},
    {ForwardingMode::kGue, false, true, 52},
    {ForwardingMode::kGue, true, true, 52},
}};

// One service of a mix, on backend 0.
struct MixRig : LendingRig {
    explicit MixRig(const Mix& mix) {
        const ServiceId id = mix.inner_is_v6 ? testing::kPortal6 : testing::kPortal;
        const auto vip = testing::address(mix.inner_is_v6 ? "2001:db8::10" : "203.0.113.10");
        tables.add_service({vip, 443, kProtocolTcp},
                           mix.mode,
                           id,
                           to_number(id),
                           std::vector<std::uint16_t>(251, 0));
        tables.set_backend(
            BackendIndex{0},
            id,
            testing::address(mix.outer_is_v6 ? "fd00:4::1" : "10.0.4.1"),
            shm::BackendWord::make(
                testing::mac("02:00:00:00:04:01"), PortIndex{0}, 1, testing::kReady));
    }
};

Bytes frame_of(const Mix& mix, std::size_t payload_bytes) {
    return make_frame({.source = mix.inner_is_v6 ? "2001:db8:c::7" : "198.51.100.7",
                       .destination = mix.inner_is_v6 ? "2001:db8::10" : "203.0.113.10",
                       .payload_bytes = payload_bytes});
}

void expect_too_big(MixRig& rig, const Mix& mix, const Bytes& frame) {
    const auto [verdict, bytes] = rig.forward(frame);
    if (mix.inner_is_v6) {
        EXPECT_EQ(verdict.reply, ReplyKind::kTooBig) << mix.overhead;
    } else {  // its Don't Fragment is clear, and it is not answered
        EXPECT_EQ(verdict.reason, DropReason::kTooBig) << mix.overhead;
        EXPECT_EQ(bytes, frame);
    }
}

TEST(Tunnel, AddsAsManyBytesAsTheOverheadSaysAndNeedsAsMuchHeadroom) {
    for (const Mix& mix : kMixes) {
        MixRig rig(mix);
        EXPECT_EQ(tunnel_overhead(mix.mode, mix.outer_is_v6), mix.overhead);
        const Bytes frame = frame_of(mix, 10);
        const auto [verdict, bytes] = rig.forward(frame, mix.overhead);
        ASSERT_EQ(verdict.action, Action::kTransmit) << mix.overhead;
        EXPECT_EQ(bytes.size(), frame.size() + mix.overhead);
        EXPECT_EQ(bytes[12], mix.outer_is_v6 ? 0x86 : 0x08);
        const auto refused = rig.forward(frame, mix.overhead - 1);
        EXPECT_EQ(refused.verdict.reason, DropReason::kNoHeadroom);
        EXPECT_EQ(refused.bytes, frame) << "a refused packet is not changed";
    }
    EXPECT_EQ(tunnel_overhead(ForwardingMode::kL2, false), 0U);
    EXPECT_EQ(tunnel_overhead(static_cast<ForwardingMode>(77), true), 0U);
}

TEST(Tunnel, TheMtuHoldsForThePacketWithItsOuterHeaders) {
    for (const Mix& mix : kMixes) {
        MixRig rig(mix);
        const std::size_t headers = mix.overhead + (mix.inner_is_v6 ? 60 : 40);
        EXPECT_EQ(rig.forward(frame_of(mix, 1'500 - headers)).verdict.action, Action::kTransmit);
        expect_too_big(rig, mix, frame_of(mix, 1'501 - headers));
    }
}

TEST(Tunnel, NoLengthFieldOverflowsWhateverTheMtu) {
    for (const Mix& mix : kMixes) {
        MixRig rig(mix);
        rig.tables.port(0).mtu_bytes = 0xFFFF'FFFF;
        const std::size_t headers = mix.overhead + (mix.inner_is_v6 ? 60 : 40);
        EXPECT_EQ(rig.forward(frame_of(mix, 65'535 - headers)).verdict.action, Action::kTransmit);
        // As large as a frame of 65,535 bytes can be.
        const std::size_t largest = 65'535 - 14 - (mix.inner_is_v6 ? 60 : 40);
        expect_too_big(rig, mix, frame_of(mix, largest));
    }
}

TEST(Tunnel, ASmallerLinkOnTheWayCountsAsThePortsMtuDoes) {
    for (const Mix& mix : kMixes) {
        MixRig rig(mix);
        const Bytes frame = frame_of(mix, 1'300);
        const auto ip_bytes = static_cast<std::uint32_t>(frame.size()) - 14;
        std::atomic<std::uint32_t>& path = rig.tables.backend(BackendIndex{0}).path_mtu_bytes;
        path = ip_bytes + mix.overhead;
        EXPECT_EQ(rig.forward(frame, mix.overhead).verdict.action, Action::kTransmit);
        path = ip_bytes + mix.overhead - 1;
        expect_too_big(rig, mix, frame);
    }
}

}  // namespace
}  // namespace fairlead
