#include "dp/forward/path/rewrite.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dp/net/checksum.h"
#include "dp/net/parse.h"
#include "tests/support/lending_rig.h"

namespace fairlead {
namespace {

using testing::Bytes;
using testing::FrameSpec;
using testing::LendingRig;
using testing::make_frame;

constexpr std::size_t kIp = sizeof(EthernetHeader);

const FrameSpec kApiSpec{.destination = "203.0.113.11"};
const FrameSpec kNotifySpec{.source = "2001:db8:1::7",
                            .destination = "2001:db8::11",
                            .destination_port = 514,
                            .protocol = 17};

Bytes tail(const Bytes& bytes, std::size_t from) {
    return {bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.end()};
}

FrameSpec with(FrameSpec spec, std::size_t payload_bytes) {
    spec.payload_bytes = payload_bytes;
    return spec;
}
FrameSpec with_ttl(FrameSpec spec, std::uint8_t ttl) {
    spec.ttl = ttl;
    return spec;
}

TEST(Rewrite, L2ChangesTheMacAddressesOnly) {
    LendingRig rig;
    const Bytes frame = make_frame({.ttl = 1, .payload_bytes = 9});
    const auto [verdict, bytes] = rig.forward(frame, 0);
    ASSERT_EQ(verdict.action, Action::kTransmit);
    EXPECT_EQ(verdict.port, PortIndex{0});
    const auto backend = static_cast<std::uint8_t>(to_number(verdict.backend));
    const Bytes macs{2, 0, 0, 0, 4, backend, 2, 0, 0, 0, 0, 1};
    EXPECT_TRUE(std::equal(macs.begin(), macs.end(), bytes.begin()));
    EXPECT_EQ(tail(bytes, 12), tail(frame, 12));
}

TEST(Rewrite, IpipPutsAnIpv4HeaderInFront) {
    LendingRig rig;
    const Bytes frame = make_frame(with(kApiSpec, 9));
    const auto [verdict, bytes] = rig.forward(frame, 20);
    ASSERT_EQ(verdict.action, Action::kTransmit);
    ASSERT_EQ(bytes.size(), frame.size() + 20);
    const auto& outer = header_at<Ipv4Header>(bytes.data() + kIp);
    EXPECT_EQ(outer.protocol, kProtocolIpip);
    EXPECT_EQ(outer.total_length.get().host(), 20 + 20 + 20 + 9);
    EXPECT_EQ(IpAddress::from_v4(outer.source.get()), testing::address("10.0.0.2"));
    EXPECT_EQ(IpAddress::from_v4(outer.destination.get()),
              testing::address(to_number(verdict.backend) == 2 ? "10.0.4.1" : "10.0.4.2"));
    EXPECT_TRUE(has_right_checksum(outer, 20));
    const auto& inner = header_at<Ipv4Header>(bytes.data() + kIp + 20);
    EXPECT_EQ(inner.ttl, 63);
    EXPECT_TRUE(has_right_checksum(inner, 20));
    EXPECT_EQ(tail(bytes, kIp + 40), tail(frame, kIp + 20));
    EXPECT_EQ(bytes[12], 0x08);
    EXPECT_EQ(bytes[13], 0x00);
}

TEST(Rewrite, IpipPutsAnIpv6HeaderInFront) {
    LendingRig rig;
    const Bytes frame = make_frame(with(kNotifySpec, 9));
    const auto [verdict, bytes] = rig.forward(frame, 40);
    ASSERT_EQ(verdict.action, Action::kTransmit);
    ASSERT_EQ(bytes.size(), frame.size() + 40);
    const auto& outer = header_at<Ipv6Header>(bytes.data() + kIp);
    EXPECT_EQ(outer.next_header, kProtocolIpv6);
    EXPECT_EQ(outer.payload_length.get().host(), 40 + 8 + 9);
    EXPECT_EQ(IpAddress::from_v6(outer.source), testing::address("fd00::2"));
    const auto& inner = header_at<Ipv6Header>(bytes.data() + kIp + 40);
    EXPECT_EQ(inner.hop_limit, 63);
    EXPECT_EQ(tail(bytes, kIp + 80), tail(frame, kIp + 40));
    EXPECT_EQ(bytes[12], 0x86);
    EXPECT_EQ(bytes[13], 0xDD);
}

TEST(Rewrite, EthernetPaddingGoesNoFurther) {
    for (const FrameSpec& spec : {FrameSpec{.payload_bytes = 6}, kApiSpec, kNotifySpec}) {
        LendingRig plain_rig;
        LendingRig padded_rig;
        const Bytes frame = make_frame(spec);
        Bytes padded = frame;
        padded.resize(frame.size() + 18, 0xEE);
        EXPECT_EQ(padded_rig.forward(padded).bytes, plain_rig.forward(frame).bytes);
    }
}

TEST(Rewrite, AShortFrameOnTheSegmentKeepsItsPaddingUpToTheLeastLengthOrGetsZeros) {
    for (const std::size_t payload : {0U, 1U, 5U, 6U, 7U}) {
        for (const std::size_t padding : {0U, 1U, 6U, 50U}) {
            SCOPED_TRACE(payload);
            LendingRig rig;
            Bytes frame = make_frame({.payload_bytes = payload});
            const std::size_t bytes = frame.size();
            frame.resize(bytes + padding, 0xEE);
            const std::size_t kept =
                std::max<std::size_t>(bytes, std::min<std::size_t>(frame.size(), 60));
            EXPECT_EQ(rig.forward(frame).bytes.size(), kept) << "there is no room for more";
            rig.context.has_padding_room = true;
            const Bytes left = rig.forward(frame).bytes;
            ASSERT_EQ(left.size(), std::max<std::size_t>(bytes, 60));
            Bytes wanted(frame.begin() + 12, frame.begin() + static_cast<std::ptrdiff_t>(kept));
            wanted.resize(left.size() - 12);
            EXPECT_EQ(tail(left, 12), wanted);
        }
    }
}

TEST(Rewrite, ForwardsWhatFitsTheMtuExactlyAndNoByteMore) {
    // The bytes of IP, transport and tunnel headers beside the payload.
    const std::vector<std::pair<FrameSpec, std::size_t>> cases{
        {{}, 40}, {kApiSpec, 60}, {kNotifySpec, 88}};
    for (const auto& [spec, overhead] : cases) {
        LendingRig rig;
        EXPECT_EQ(rig.forward(make_frame(with(spec, 1'500 - overhead))).verdict.action,
                  Action::kTransmit);
        const Bytes frame = make_frame(with(spec, 1'501 - overhead));
        const auto [verdict, bytes] = rig.forward(frame);
        if (!testing::address(spec.destination).is_v4()) {
            EXPECT_EQ(verdict.reply, ReplyKind::kTooBig);
            continue;
        }
        EXPECT_EQ(verdict.action, Action::kDrop);
        EXPECT_EQ(verdict.reason, DropReason::kTooBig);
        EXPECT_EQ(bytes, frame) << "a refused packet is not changed";
    }
}

TEST(Rewrite, NoMtuAllowsAPacketThatTheOuterHeaderCannotMeasure) {
    LendingRig rig;
    rig.tables.port(0).mtu_bytes = 0xFFFF'FFFF;
    const std::size_t largest = 65'535 - 14 - 40;
    EXPECT_EQ(rig.forward(make_frame(with(kApiSpec, largest))).verdict.reason, DropReason::kTooBig);
    EXPECT_EQ(rig.forward(make_frame(with(kApiSpec, 65'535 - 60))).verdict.action,
              Action::kTransmit);
}

TEST(Rewrite, TheTtlEndsAtOneInATunnel) {
    for (const FrameSpec& spec : {kApiSpec, kNotifySpec}) {
        LendingRig rig;
        EXPECT_EQ(rig.forward(make_frame(with_ttl(spec, 0))).verdict.reply,
                  ReplyKind::kTimeExceeded);
        EXPECT_EQ(rig.forward(make_frame(with_ttl(spec, 1))).verdict.reply,
                  ReplyKind::kTimeExceeded);
        EXPECT_EQ(rig.forward(make_frame(with_ttl(spec, 2))).verdict.action, Action::kTransmit);
    }
}

TEST(Rewrite, SaysWhatItIsShortOf) {
    using enum DropReason;
    const auto reason_after = [](const FrameSpec& spec, auto&& change, std::uint32_t headroom) {
        LendingRig rig;
        change(rig);
        return rig.forward(make_frame(spec), headroom).verdict.reason;
    };
    const auto nothing = [](LendingRig&) {
    };
    EXPECT_EQ(reason_after(kApiSpec, nothing, 19), kNoHeadroom);
    EXPECT_EQ(reason_after(kNotifySpec, nothing, 39), kNoHeadroom);
    EXPECT_EQ(reason_after({}, nothing, 0), kNone);
    const auto no_source4 = [](LendingRig& rig) {
        rig.tables.port(0).tunnel_source_v4 = {};
    };
    const auto no_source6 = [](LendingRig& rig) {
        rig.tables.port(0).tunnel_source_v6 = {};
    };
    EXPECT_EQ(reason_after(kApiSpec, no_source4, 64), kNoTunnelSource);
    EXPECT_EQ(reason_after(kNotifySpec, no_source6, 64), kNoTunnelSource);
    EXPECT_EQ(reason_after(kApiSpec, no_source6, 64), kNone);
    EXPECT_EQ(reason_after({}, no_source4, 64), kNone);
    const auto unlinked = [](LendingRig& rig) {
        rig.set_word(0, testing::kReady & ~std::uint64_t{shm::BackendWord::kLinked});
        rig.set_word(1, testing::kReady & ~std::uint64_t{shm::BackendWord::kLinked});
    };
    EXPECT_EQ(reason_after({}, unlinked, 64), kNoNeighbor);
    const auto no_port = [](LendingRig& rig) {
        rig.tables.snapshot().port_count = 0;
        rig.start();
    };
    EXPECT_EQ(reason_after({}, no_port, 64), kBadTables);
    const auto no_mode = [](LendingRig& rig) {
        rig.tables.add_service({testing::address("203.0.113.10"), 443, kProtocolTcp},
                               static_cast<shm::ForwardingMode>(77),
                               testing::kPortal,
                               0,
                               std::vector<std::uint16_t>(251, 0));
    };
    EXPECT_EQ(reason_after({}, no_mode, 64), kBadTables);
}

}  // namespace
}  // namespace fairlead
