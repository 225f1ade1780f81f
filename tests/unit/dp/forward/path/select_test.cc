#include "dp/forward/path/select.h"

#include <gtest/gtest.h>

#include "tests/support/lending_rig.h"

namespace fairlead {
namespace {

using testing::Bytes;
using testing::kDraining;
using testing::kInMaintenance;
using testing::kPortal;
using testing::kReady;
using testing::LendingRig;
using testing::make_frame;

const testing::ServiceKey kPortalKey{testing::address("203.0.113.10"), 443, kProtocolTcp};

Bytes packet_from(std::uint16_t source_port, std::uint8_t flags = kTcpAck) {
    return make_frame({.source_port = source_port, .flags = flags});
}

unsigned backend_of(LendingRig& rig, const Bytes& frame) {
    return to_number(rig.forward(frame).verdict.backend);
}

// A rig whose portal has tracked the connection from port 40000, and the backend that it went to.
struct Tracked {
    Tracked() : backend(backend_of(rig, packet_from(40'000, kTcpSyn))), other(1 - backend) {
        (void)rig.forward(packet_from(40'000));
    }
    LendingRig rig;
    unsigned backend;
    unsigned other;
};

TEST(Select, NewFlowsGoWhereTheRingSays) {
    LendingRig rig;
    unsigned first = 0;
    for (std::uint16_t port = 1'024; port < 2'024; ++port) {
        const auto verdict = rig.forward(packet_from(port, kTcpSyn)).verdict;
        ASSERT_EQ(verdict.action, Action::kTransmit);
        ASSERT_LT(to_number(verdict.backend), 2U);
        EXPECT_EQ(verdict.service, kPortal);
        first += to_number(verdict.backend) == 0 ? 1U : 0U;
    }
    EXPECT_NEAR(first, 500, 80);
    EXPECT_EQ(rig.service(kPortal).new_flows.get(),
              1'000U - rig.worker().flow_insert_failures.get());
    EXPECT_EQ(rig.worker().flow_misses.get(), 1'000U);
}

TEST(Select, ATrackedFlowStaysWhenTheRingChanges) {
    Tracked t;
    t.rig.give_ring_to(kPortal, kPortalKey, static_cast<std::uint16_t>(t.other));
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000)), t.backend);
    EXPECT_EQ(t.rig.worker().flow_hits.get(), 2U);
    EXPECT_EQ(t.rig.worker().flow_misses.get(), 1U);
}

TEST(Select, ADrainingBackendKeepsItsFlowsAndGetsNoNewOnes) {
    Tracked t;
    t.rig.give_ring_to(kPortal, kPortalKey, static_cast<std::uint16_t>(t.other));
    t.rig.set_word(t.backend, kDraining);
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000)), t.backend);
    EXPECT_EQ(backend_of(t.rig, packet_from(40'001, kTcpSyn)), t.other) << "another connection";
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000, kTcpSyn)), t.backend) << "a forged SYN";
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000)), t.backend);
    // A client that uses its port again hears a challenge ACK, resets what it does not know, and
    // tries again.
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000, kTcpRst)), t.backend);
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000, kTcpSyn)), t.other);
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000)), t.other);
    EXPECT_EQ(t.rig.backend(BackendIndex{static_cast<std::uint16_t>(t.backend)}).active_flows.get(),
              0U);
}

TEST(Select, ASynThatIsSentAgainLeavesABackendThatHasBegunToDrain) {
    LendingRig rig;
    const unsigned first = backend_of(rig, packet_from(40'000, kTcpSyn));
    rig.give_ring_to(kPortal, kPortalKey, static_cast<std::uint16_t>(1 - first));
    EXPECT_EQ(backend_of(rig, packet_from(40'000, kTcpSyn)), first) << "the ring alone has changed";
    rig.set_word(first, kDraining);
    EXPECT_EQ(backend_of(rig, packet_from(40'000, kTcpSyn)), 1 - first);
}

TEST(Select, WhatChecksHaveTakenOutKeepsItsConnectionsAndGetsNoSyn) {
    Tracked t;
    t.rig.give_ring_to(kPortal, kPortalKey, static_cast<std::uint16_t>(t.other));
    t.rig.set_word(t.backend, kDraining | shm::BackendWord::kTakenOut);
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000)), t.backend);
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000, kTcpSyn)), t.other)
        << "the client's port begins a new connection, and the old server may be dead";
}

TEST(Select, AForgedCloseCostsAConnectionNothing) {
    for (const std::uint8_t flags : {kTcpRst, kTcpFin, std::uint8_t{kTcpFin | kTcpAck}}) {
        Tracked t;
        t.rig.give_ring_to(kPortal, kPortalKey, static_cast<std::uint16_t>(t.other));
        EXPECT_EQ(backend_of(t.rig, packet_from(40'000, flags)), t.backend);
        EXPECT_EQ(t.rig.flows->count_of(FlowState::kClosing), 1U);
        const Bytes request = make_frame({.flags = kTcpAck, .payload_bytes = 9});
        EXPECT_EQ(backend_of(t.rig, request), t.backend);
        EXPECT_EQ(t.rig.flows->count_of(FlowState::kEstablished), 1U);
        EXPECT_EQ(backend_of(t.rig, packet_from(40'000, kTcpSyn)), t.backend) << "a forged SYN";
    }
}

TEST(Select, AHalfClosedConnectionWaitsTwoMinutesForItsAnswer) {
    constexpr std::uint64_t kTwoMinutes = 120 / kSecondsPerFlowTick;
    Tracked t;
    t.rig.give_ring_to(kPortal, kPortalKey, static_cast<std::uint16_t>(t.other));
    (void)t.rig.forward(packet_from(40'000, kTcpFin | kTcpAck));
    for (std::uint64_t pauses = 1; pauses <= 3; ++pauses) {
        t.rig.context.now = FlowTick{pauses * kTwoMinutes};
        (void)sweep_flows(t.rig.context, 64);
        EXPECT_EQ(backend_of(t.rig, packet_from(40'000)), t.backend) << "acknowledges the answer";
    }
    t.rig.context.now = FlowTick{5 * kTwoMinutes};
    EXPECT_EQ(sweep_flows(t.rig.context, 64), 1U);
}

TEST(Select, APortUsedAgainBeginsANewFlowByTheRing) {
    Tracked t;
    EXPECT_EQ(t.rig.service(kPortal).new_flows.get(), 1U);
    t.rig.give_ring_to(kPortal, kPortalKey, static_cast<std::uint16_t>(t.other));
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000, kTcpSyn)), t.backend)
        << "a SYN that was sent again";
    EXPECT_EQ(t.rig.service(kPortal).new_flows.get(), 1U);
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000, kTcpFin | kTcpAck)), t.backend);
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000)), t.backend) << "the last ACK of a closed flow";
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000, kTcpSyn)), t.other);
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000)), t.other);
    EXPECT_EQ(t.rig.service(kPortal).new_flows.get(), 2U);
    EXPECT_EQ(t.rig.backend(BackendIndex{static_cast<std::uint16_t>(t.backend)}).active_flows.get(),
              0U);
    EXPECT_EQ(t.rig.backend(BackendIndex{static_cast<std::uint16_t>(t.other)}).active_flows.get(),
              1U);
}

TEST(Select, MaintenanceMovesFlowsToOtherBackends) {
    Tracked t;
    t.rig.give_ring_to(kPortal, kPortalKey, static_cast<std::uint16_t>(t.other));
    t.rig.set_word(t.backend, kInMaintenance);
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000)), t.other);
    EXPECT_EQ(t.rig.backend(BackendIndex{static_cast<std::uint16_t>(t.other)}).active_flows.get(),
              1U);
}

TEST(Select, AnEntryOfAFormerOwnerOfTheIndexIsAMiss) {
    Tracked t;
    t.rig.give_ring_to(kPortal, kPortalKey, static_cast<std::uint16_t>(t.other));
    t.rig.set_word(t.backend, kReady, 2);
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000)), t.other);
}

TEST(Select, ACollisionCannotCrossServices) {
    Tracked t;
    t.rig.give_ring_to(kPortal, kPortalKey, static_cast<std::uint16_t>(t.other));
    t.rig.tables.backend(BackendIndex{static_cast<std::uint16_t>(t.backend)}).service =
        testing::kApi;
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000)), t.other);
}

TEST(Select, AFlowOfAnotherWorkerIsAdopted) {
    Tracked first;
    LendingRig second;
    second.give_ring_to(kPortal, kPortalKey, static_cast<std::uint16_t>(first.other));
    const FlowTableView view{std::span<const shm::FlowBucket>(first.rig.buckets)};
    second.context.other_flows = {&view, 1};

    EXPECT_EQ(backend_of(second, packet_from(40'000)), first.backend);
    EXPECT_EQ(second.worker().flow_adopted.get(), 1U);
    EXPECT_EQ(second.service(kPortal).new_flows.get(), 0U);
    second.context.other_flows = {};
    EXPECT_EQ(backend_of(second, packet_from(40'000)), first.backend) << "now in the own table";
    EXPECT_EQ(second.flows->count_of(FlowState::kUnproven), 0U);
}

TEST(Select, ASynIsNotAdopted) {
    Tracked first;
    LendingRig second;
    second.give_ring_to(kPortal, kPortalKey, static_cast<std::uint16_t>(first.other));
    const FlowTableView view{std::span<const shm::FlowBucket>(first.rig.buckets)};
    second.context.other_flows = {&view, 1};
    EXPECT_EQ(backend_of(second, packet_from(40'000, kTcpSyn)), first.other);
}

TEST(Select, ARestartedWorkerGoesOnWithTheTableOfTheLastOne) {
    Tracked t;
    t.rig.give_ring_to(kPortal, kPortalKey, static_cast<std::uint16_t>(t.other));
    t.rig.start();
    EXPECT_EQ(t.rig.flows->entry_count(), 1U);
    EXPECT_EQ(backend_of(t.rig, packet_from(40'000)), t.backend);
}

TEST(Select, APacketThatEndsAnUnknownFlowLeavesNothingBehind) {
    LendingRig rig;
    EXPECT_EQ(rig.forward(packet_from(1, kTcpRst)).verdict.action, Action::kTransmit);
    EXPECT_EQ(rig.forward(packet_from(2, kTcpFin | kTcpAck)).verdict.action, Action::kTransmit);
    EXPECT_EQ(rig.flows->entry_count(), 0U);
    EXPECT_EQ(rig.service(kPortal).new_flows.get(), 0U);
}

TEST(Select, AFloodOfAcksStaysUnproven) {
    LendingRig rig;
    (void)rig.forward(packet_from(1));
    EXPECT_EQ(rig.flows->count_of(FlowState::kUnproven), 1U);
    (void)rig.forward(packet_from(1));
    EXPECT_EQ(rig.flows->count_of(FlowState::kUnproven), 0U);
}

TEST(Select, ASynFloodMovesNoEstablishedFlowAndLeavesRoomForTheNextClient) {
    LendingRig rig;  // 256 flows, 128 unproven
    std::vector<unsigned> backend(65'536);
    for (std::uint16_t port = 1; port <= 128; ++port) {
        backend[port] = backend_of(rig, packet_from(port, kTcpSyn));
        EXPECT_EQ(backend_of(rig, packet_from(port)), backend[port]);
    }
    for (std::uint16_t port = 10'000; port < 30'000; ++port) {
        ASSERT_EQ(rig.forward(packet_from(port, kTcpSyn)).verdict.action, Action::kTransmit);
    }
    EXPECT_EQ(rig.flows->count_of(FlowState::kUnproven), rig.flows->quota());
    EXPECT_GT(rig.worker().flow_insert_failures.get(), 19'000U);
    // A client of these minutes: its SYN is not remembered, its ACK is, its request proves it.
    const std::uint64_t new_flows = rig.service(kPortal).new_flows.get();
    backend[40'000] = backend_of(rig, packet_from(40'000, kTcpSyn));
    EXPECT_EQ(rig.service(kPortal).new_flows.get(), new_flows);
    EXPECT_EQ(backend_of(rig, packet_from(40'000)), backend[40'000]);
    EXPECT_EQ(rig.service(kPortal).new_flows.get(), new_flows + 1);
    EXPECT_EQ(backend_of(rig, packet_from(40'000)), backend[40'000]);
    // Whatever the ring says now, tracked flows stay.
    for (const std::uint16_t only : {std::uint16_t{0}, std::uint16_t{1}}) {
        rig.give_ring_to(kPortal, kPortalKey, only);
        for (std::uint16_t port = 1; port <= 128; ++port) {
            ASSERT_EQ(backend_of(rig, packet_from(port)), backend[port]);
        }
        EXPECT_EQ(backend_of(rig, packet_from(40'000)), backend[40'000]);
    }
}

TEST(Select, AFloodOfAcksSearchesOtherTablesUpToALimitAndTheRestGoByTheRing) {
    Tracked first;
    LendingRig second;
    second.give_ring_to(kPortal, kPortalKey, static_cast<std::uint16_t>(first.other));
    const std::vector<FlowTableView> views(
        1'024, FlowTableView{std::span<const shm::FlowBucket>(first.rig.buckets)});
    second.context.other_flows = views;
    second.context.now_ms = 5;
    const std::uint64_t searches = SearchLimit::kBurst / views.size();
    for (std::uint64_t i = 0; i < searches; ++i) {
        (void)second.forward(packet_from(static_cast<std::uint16_t>(1'000 + i)));
    }
    EXPECT_EQ(second.worker().flow_searches_skipped.get(), 0U);
    const std::size_t entries = second.flows->entry_count();
    EXPECT_EQ(backend_of(second, packet_from(40'000)), first.other) << "by the ring";
    EXPECT_EQ(second.worker().flow_searches_skipped.get(), 1U);
    EXPECT_EQ(second.flows->entry_count(), entries) << "not remembered";
    // As time passes, the flow is found after all.
    second.context.now_ms = 6;
    EXPECT_EQ(backend_of(second, packet_from(40'000)), first.backend);
    EXPECT_EQ(second.worker().flow_adopted.get(), 1U);
    EXPECT_EQ(second.worker().flow_searches_skipped.get(), 1U);
}

TEST(SearchLimit, BringsItsRateAndNeverMoreThanItsBurst) {
    SearchLimit limit;
    EXPECT_TRUE(limit.take(SearchLimit::kBurst, 1'000'000)) << "full at the start";
    EXPECT_FALSE(limit.take(1, 1'000'000));
    EXPECT_FALSE(limit.take(1, 900'000)) << "a clock that jumps back";
    EXPECT_TRUE(limit.take(SearchLimit::kTablesPerMs, 900'001));
    EXPECT_FALSE(limit.take(1, 900'001));
    EXPECT_TRUE(limit.take(SearchLimit::kBurst, ~0ULL)) << "a clock that jumps ahead";
    EXPECT_FALSE(limit.take(1, ~0ULL));
}

TEST(Select, TheSweepForgetsWhatABackendNoLongerKeeps) {
    Tracked t;
    (void)t.rig.forward(make_frame({.destination = "203.0.113.11"}));
    t.rig.set_word(t.backend, kInMaintenance);
    EXPECT_EQ(sweep_flows(t.rig.context, 64), 1U);
    EXPECT_EQ(t.rig.flows->entry_count(), 1U) << "the other service's flow";
    t.rig.context.snapshot = {};
    t.rig.set_word(2, kInMaintenance);
    t.rig.set_word(3, kInMaintenance);
    EXPECT_EQ(sweep_flows(t.rig.context, 64), 0U) << "before the first generation";
}

TEST(Select, NoBackendIsSaidSo) {
    LendingRig rig;
    const auto reason = [&rig] {
        return rig.forward(packet_from(7)).verdict.reason;
    };
    rig.tables.add_service(kPortalKey, shm::ForwardingMode::kL2, kPortal, 0, {});
    EXPECT_EQ(reason(), DropReason::kNoBackend) << "an empty ring";
    rig.give_ring_to(kPortal, kPortalKey, 0xFFFF);
    EXPECT_EQ(reason(), DropReason::kNoBackend) << "an empty slot";
    rig.give_ring_to(kPortal, kPortalKey, 0);
    rig.set_word(0, 0);
    EXPECT_EQ(reason(), DropReason::kNoBackend) << "an unpublished backend";
    EXPECT_EQ(rig.service(kPortal).dropped[static_cast<std::size_t>(DropReason::kNoBackend)].get(),
              3U);
}

TEST(Select, ImpossibleTablesAreSaidSo) {
    LendingRig rig;
    const auto reason = [&rig] {
        return rig.forward(packet_from(7)).verdict.reason;
    };
    rig.give_ring_to(kPortal, kPortalKey, 64);
    EXPECT_EQ(reason(), DropReason::kBadTables) << "beyond the backends";
    rig.give_ring_to(kPortal, kPortalKey, 2);
    EXPECT_EQ(reason(), DropReason::kBadTables) << "another service's backend";
    EXPECT_EQ(rig.flows->entry_count(), 0U);
}

TEST(Select, PacketsOfOneFlowInOneBurstMakeOneEntry) {
    LendingRig rig;
    Bytes frame = packet_from(9);
    std::vector<Bytes> copies(8, frame);
    std::vector<Packet> packets;
    packets.reserve(copies.size());
    for (Bytes& copy : copies) {
        packets.push_back({copy.data(), static_cast<std::uint32_t>(copy.size()), 0});
    }
    std::vector<Verdict> verdicts(packets.size());
    forward_burst(rig.context, packets, verdicts);
    EXPECT_EQ(rig.flows->entry_count(), 1U);
    EXPECT_EQ(rig.flows->count_of(FlowState::kUnproven), 0U);
    EXPECT_EQ(rig.worker().flow_hits.get(), 7U);
    for (const Verdict& verdict : verdicts) {
        EXPECT_EQ(verdict.backend, verdicts[0].backend);
    }
}

}  // namespace
}  // namespace fairlead
