#include "dp/forward/rare/icmp.h"

#include <vector>

#include <gtest/gtest.h>

#include "dp/net/checksum.h"
#include "dp/net/parse.h"
#include "tests/support/lending_rig.h"

namespace fairlead {
namespace {

using testing::Bytes;
using testing::kApi;
using testing::kPortal;
using testing::LendingRig;
using testing::make_frame;
using testing::make_icmp_frame;

constexpr const char* kClient = "198.51.100.7";
constexpr const char* kRouter = "192.0.2.77";

// The client's packet, and the error about the answer to it.
Bytes client_packet(std::uint16_t port, std::uint8_t flags) {
    return make_frame({.source = kClient, .source_port = port, .flags = flags});
}
Bytes error_about(std::uint16_t port) {
    const Bytes answer = make_frame({.source = "203.0.113.10",
                                     .destination = kClient,
                                     .source_port = 443,
                                     .destination_port = port,
                                     .flags = kTcpAck});
    return make_icmp_frame({.source = kRouter}, testing::ip_of(answer).first(28));
}

std::vector<std::uint64_t> entries_of(const LendingRig& rig) {
    std::vector<std::uint64_t> entries;
    for (const auto& bucket : rig.buckets) {
        for (const auto& word : bucket.entries) {
            entries.push_back(word.load(std::memory_order_relaxed));
        }
    }
    return entries;
}

constexpr std::uint16_t kClientPort = 40'000;

TEST(Icmp, AnErrorGoesToTheBackendOfTheFlowAlsoWhenTheRingSaysAnother) {
    LendingRig rig;
    const BackendIndex backend = rig.forward(client_packet(kClientPort, kTcpSyn)).verdict.backend;
    const auto other = static_cast<std::uint16_t>(1 - to_number(backend));
    rig.give_ring_to(kPortal, {testing::address("203.0.113.10"), 443, kProtocolTcp}, other);
    const auto tracked = rig.forward(error_about(kClientPort)).verdict;
    EXPECT_EQ(tracked.action, Action::kTransmit);
    EXPECT_EQ(tracked.backend, backend);
    EXPECT_EQ(tracked.service, kPortal);
    EXPECT_EQ(rig.forward(error_about(kClientPort + 1)).verdict.backend, BackendIndex{other});
}

TEST(Icmp, AnErrorMakesRefreshesAndEndsNoEntry) {
    LendingRig rig;
    (void)rig.forward(client_packet(kClientPort, kTcpSyn));
    (void)rig.forward(client_packet(kClientPort, kTcpAck));
    const auto before = entries_of(rig);
    rig.context.now = FlowTick{100};
    EXPECT_EQ(rig.forward(error_about(kClientPort)).verdict.action, Action::kTransmit);
    EXPECT_EQ(rig.forward(error_about(kClientPort + 1)).verdict.action, Action::kTransmit);
    EXPECT_EQ(entries_of(rig), before);
    EXPECT_EQ(rig.service(kPortal).new_flows.get(), 1U);
    EXPECT_EQ(rig.worker().flow_hits.get() + rig.worker().flow_misses.get(), 2U);
}

TEST(Icmp, AnErrorFindsTheFlowInAnotherWorkersTable) {
    LendingRig rig;
    const BackendIndex backend = rig.forward(client_packet(kClientPort, kTcpSyn)).verdict.backend;
    const auto other = static_cast<std::uint16_t>(1 - to_number(backend));

    LendingRig here;
    const std::vector<FlowTableView> others{FlowTableView(std::span(rig.buckets))};
    here.context.other_flows = others;
    here.give_ring_to(kPortal, {testing::address("203.0.113.10"), 443, kProtocolTcp}, other);
    EXPECT_EQ(here.forward(error_about(kClientPort)).verdict.backend, backend);
    EXPECT_EQ(here.flows->entry_count(), 0U);
    EXPECT_EQ(here.worker().flow_adopted.get(), 0U);
}

TEST(Icmp, AnErrorFollowsTheRingAwayFromABackendInMaintenance) {
    LendingRig rig;
    const BackendIndex backend = rig.forward(client_packet(kClientPort, kTcpSyn)).verdict.backend;
    const auto other = static_cast<std::uint16_t>(1 - to_number(backend));
    rig.set_word(to_number(backend), testing::kInMaintenance);
    rig.give_ring_to(kPortal, {testing::address("203.0.113.10"), 443, kProtocolTcp}, other);
    EXPECT_EQ(rig.forward(error_about(kClientPort)).verdict.backend, BackendIndex{other});
}

TEST(Icmp, AnErrorCountsAsAPacketOfItsServiceAndBackend) {
    LendingRig rig;
    const Bytes frame = error_about(kClientPort);
    const auto verdict = rig.forward(frame).verdict;
    EXPECT_EQ(rig.service(kPortal).received_packets.get(), 1U);
    EXPECT_EQ(rig.service(kPortal).received_bytes.get(), frame.size());
    EXPECT_EQ(rig.backend(verdict.backend).forwarded_packets.get(), 1U);
}

TEST(Icmp, AnErrorForATunnelledServiceIsTunnelled) {
    LendingRig rig;
    const Bytes answer = make_frame({.source = "203.0.113.11",
                                     .destination = kClient,
                                     .source_port = 443,
                                     .destination_port = kClientPort});
    const Bytes frame = make_icmp_frame({.source = kRouter, .destination = "203.0.113.11"},
                                        testing::ip_of(answer).first(28));
    const auto [verdict, bytes] = rig.forward(frame);
    ASSERT_EQ(verdict.action, Action::kTransmit);
    EXPECT_EQ(verdict.service, kApi);
    EXPECT_EQ(bytes.size(), frame.size() + sizeof(Ipv4Header));
    EXPECT_EQ(header_at<Ipv4Header>(bytes.data() + sizeof(EthernetHeader)).protocol, kProtocolIpip);
}

TEST(Icmp, AnErrorAboutAServiceWithoutBackendsSaysSo) {
    LendingRig rig;
    rig.tables.add_service({testing::address("203.0.113.10"), 443, kProtocolTcp},
                           shm::ForwardingMode::kL2,
                           kPortal,
                           0,
                           {});
    EXPECT_EQ(rig.forward(error_about(kClientPort)).verdict.reason, DropReason::kNoBackend);
    EXPECT_EQ(rig.service(kPortal).dropped[static_cast<std::size_t>(DropReason::kNoBackend)].get(),
              1U);
}

TEST(Echo, AnAnswerThatIsAllZeroHasTheChecksumOfZero) {
    LendingRig rig;
    rig.tables.vip_mark(testing::address("203.0.113.10")).vip_policy = shm::kAnswersEcho;
    for (const std::size_t payload : {std::size_t{0}, std::size_t{1}, std::size_t{56}}) {
        const Bytes ping = make_icmp_frame({.type = 8, .code = 0, .rest = 0}, Bytes(payload));
        const auto [verdict, reply] = rig.forward(ping);
        ASSERT_EQ(verdict.reply, ReplyKind::kEcho);
        const auto message = testing::ip_of(reply).subspan(sizeof(Ipv4Header));
        EXPECT_EQ(fold_checksum(sum_bytes(message)), 0xFFFFU) << payload;
    }
}

}  // namespace
}  // namespace fairlead
