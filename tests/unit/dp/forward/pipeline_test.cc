#include "dp/forward/pipeline.h"

#include <vector>

#include <gtest/gtest.h>

#include "dp/base/burst.h"
#include "tests/support/lending_rig.h"

namespace fairlead {
namespace {

using testing::Bytes;
using testing::kApi;
using testing::kPortal;
using testing::LendingRig;
using testing::make_frame;

TEST(Pipeline, EachPacketOfABurstGetsItsOwnVerdict) {
    LendingRig rig;
    std::vector<Bytes> frames{
        make_frame({}),
        make_frame({.destination = "203.0.113.99"}),
        make_frame({.destination_port = 80}),
        make_frame({.destination = "203.0.113.11", .payload_bytes = 100}),
        make_frame({.source = "2001:db8:1::7", .destination = "2001:db8::10"}),
    };
    std::vector<Bytes> buffers;
    std::vector<Packet> packets;
    for (const Bytes& frame : frames) {
        Bytes& buffer = buffers.emplace_back(64 + frame.size());
        std::copy(frame.begin(), frame.end(), buffer.begin() + 64);
        packets.push_back({buffer.data() + 64, static_cast<std::uint32_t>(frame.size()), 64});
    }
    std::vector<Verdict> verdicts(packets.size());
    forward_burst(rig.context, packets, verdicts);
    EXPECT_EQ(verdicts[0].action, Action::kTransmit);
    EXPECT_EQ(verdicts[0].service, kPortal);
    EXPECT_EQ(verdicts[1].action, Action::kKernel);
    EXPECT_EQ(verdicts[2].reason, DropReason::kNoService);
    EXPECT_EQ(verdicts[3].service, kApi);
    EXPECT_EQ(verdicts[4].service, testing::kPortal6);
    EXPECT_EQ(packets[0].length, frames[0].size());
    EXPECT_EQ(packets[3].length, frames[3].size() + 20);
    EXPECT_EQ(packets[3].headroom, 44U);
}

TEST(Pipeline, CountsPacketsAndBytesAsReceived) {
    LendingRig rig;
    Bytes padded = make_frame({.destination = "203.0.113.11"});
    padded.resize(60);
    const auto backend = rig.forward(padded).verdict.backend;
    (void)rig.forward(padded);
    (void)rig.forward(make_frame({.destination = "203.0.113.99"}));
    (void)rig.forward(make_frame({.destination_port = 80}));
    (void)rig.forward(make_frame({.destination = "203.0.113.11", .ttl = 1}));

    EXPECT_EQ(rig.worker().packets.get(), 5U);
    EXPECT_EQ(rig.worker().kernel_packets.get(), 1U);
    EXPECT_EQ(rig.dropped(DropReason::kNoService), 1U);
    EXPECT_EQ(rig.dropped(DropReason::kTtlExpired), 0U);
    EXPECT_EQ(rig.worker().replies[static_cast<std::size_t>(ReplyKind::kTimeExceeded)].get(), 1U);
    EXPECT_EQ(rig.service(kApi).received_packets.get(), 3U);
    EXPECT_EQ(rig.service(kApi).received_bytes.get(), 60U + 60U + 54U);
    EXPECT_EQ(rig.service(kApi).new_flows.get(), 1U);
    EXPECT_EQ(rig.backend(backend).forwarded_packets.get(), 2U);
    EXPECT_EQ(rig.backend(backend).forwarded_bytes.get(), 120U);
    EXPECT_EQ(rig.backend(backend).new_flows.get(), 1U);
    EXPECT_EQ(rig.backend(backend).active_flows.get(), 1U);
}

TEST(Pipeline, BeforeTheFirstGenerationAllIsTheKernels) {
    LendingRig rig;
    rig.context.snapshot = {};
    const Bytes frame = make_frame({});
    const auto [verdict, bytes] = rig.forward(frame);
    EXPECT_EQ(verdict.action, Action::kKernel);
    EXPECT_EQ(bytes, frame);
    EXPECT_EQ(rig.worker().kernel_packets.get(), 1U);
}

TEST(Pipeline, TakesAnEmptyBurstAndOneThatGoesThroughTheStagesInParts) {
    constexpr std::size_t kPackets = 2 * kBurstPackets + 1;
    LendingRig rig;
    forward_burst(rig.context, {}, {});
    EXPECT_EQ(rig.worker().packets.get(), 0U);
    std::vector<Bytes> frames(kPackets, make_frame({}));
    std::vector<Packet> packets;
    packets.reserve(frames.size());
    for (Bytes& frame : frames) {
        packets.push_back({frame.data(), static_cast<std::uint32_t>(frame.size()), 0});
    }
    std::vector<Verdict> verdicts(kPackets);
    forward_burst(rig.context, packets, verdicts);
    EXPECT_EQ(rig.worker().packets.get(), kPackets);
    EXPECT_EQ(rig.service(kPortal).received_packets.get(), kPackets);
}

TEST(Pipeline, CountersOutsideTheirBoundsAreLeftOut) {
    LendingRig rig;
    rig.context.counters.services = {};
    rig.context.counters.backends = {};
    EXPECT_EQ(rig.forward(make_frame({})).verdict.action, Action::kTransmit);
}

}  // namespace
}  // namespace fairlead
