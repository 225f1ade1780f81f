#include "dp/flow/flow_entry.h"

#include <array>

#include <gtest/gtest.h>

#include "dp/flow/flow_hash.h"

namespace fairlead {
namespace {

constexpr std::array kAllEvents{FlowEvent::kOpen,
                                FlowEvent::kData,
                                FlowEvent::kClose,
                                FlowEvent::kDatagram,
                                FlowEvent::kAcknowledge};
static_assert(kAllEvents.size() == kFlowEventCount);

TEST(FlowEntry, KeepsItsFieldsApart) {
    const FlowEntry entry =
        FlowEntry::make(0xDEAD'BEEF, BackendIndex{16'383}, 63, FlowState::kClosing)
            .with(FlowState::kEstablished, 450, FlowTick{1'000'000});
    EXPECT_EQ(entry.signature(), 0xDEAD'BEEFU);
    EXPECT_EQ(entry.backend(), BackendIndex{16'383});
    EXPECT_EQ(entry.incarnation(), 63U);
    EXPECT_EQ(entry.state(), FlowState::kEstablished);
    EXPECT_EQ(entry.ticks_left(FlowTick{1'000'000}), 450);

    const FlowEntry other = FlowEntry::make(0, BackendIndex{0}, 0, FlowState::kUnproven);
    EXPECT_FALSE(other.is_empty());
    EXPECT_EQ(other.signature(), 0U);
    EXPECT_EQ(other.backend(), BackendIndex{0});
}

TEST(FlowEntry, KnowsItsDeadlineAcrossTheWrapOfTheClock) {
    for (std::uint64_t start = 0; start < 2'048; ++start) {
        const FlowEntry entry = FlowEntry::make(1, BackendIndex{1}, 1, FlowState::kEstablished)
                                    .with(FlowState::kEstablished, kMaxIdleTicks, FlowTick{start});
        EXPECT_EQ(entry.ticks_left(FlowTick{start}), 450);
        EXPECT_EQ(entry.ticks_left(FlowTick{start + 450}), 0);
        EXPECT_EQ(entry.ticks_left(FlowTick{start + 451}), -1);
        EXPECT_EQ(entry.ticks_left(FlowTick{start + 511}), -61);
    }
}

TEST(FlowState, ATcpFlowIsProvenByTheClientsAnswerOnly) {
    EXPECT_EQ(next_state(FlowState::kUnproven, FlowEvent::kOpen), FlowState::kUnproven);
    EXPECT_EQ(next_state(FlowState::kUnproven, FlowEvent::kData), FlowState::kEstablished);
    EXPECT_EQ(next_state(FlowState::kUnproven, FlowEvent::kAcknowledge), FlowState::kEstablished);
    EXPECT_EQ(next_state(FlowState::kUnproven, FlowEvent::kClose), FlowState::kUnproven);
}

TEST(FlowState, ASynDoesNotUnsettleAnEstablishedFlow) {
    EXPECT_EQ(next_state(FlowState::kEstablished, FlowEvent::kOpen), FlowState::kEstablished);
    EXPECT_EQ(next_state(FlowState::kClosing, FlowEvent::kOpen), FlowState::kUnproven);
}

TEST(FlowState, AClosingFlowStaysClosingWhileItsLastAcksCome) {
    EXPECT_EQ(next_state(FlowState::kEstablished, FlowEvent::kClose), FlowState::kClosing);
    EXPECT_EQ(next_state(FlowState::kClosing, FlowEvent::kAcknowledge), FlowState::kClosing);
    EXPECT_EQ(next_state(FlowState::kClosing, FlowEvent::kClose), FlowState::kClosing);
}

TEST(FlowState, ContentBehindAForgedCloseMakesTheFlowEstablishedAgain) {
    EXPECT_EQ(next_state(FlowState::kClosing, FlowEvent::kData), FlowState::kEstablished);
    const FlowEntry closing =
        after_packet(FlowEntry::make(1, BackendIndex{1}, 1, FlowState::kEstablished),
                     FlowEvent::kClose,
                     FlowTick{7});
    EXPECT_EQ(after_packet(closing, FlowEvent::kData, FlowTick{9}).ticks_left(FlowTick{9}),
              static_cast<std::int32_t>(kEstablishedTicks));
}

TEST(FlowState, TheSecondDatagramProvesAUdpFlow) {
    EXPECT_EQ(next_state(FlowState::kUnproven, FlowEvent::kDatagram), FlowState::kDatagram);
    EXPECT_EQ(next_state(FlowState::kDatagram, FlowEvent::kDatagram), FlowState::kDatagram);
}

TEST(IdleTicks, FollowStateAndProtocolAndFitTheDeadline) {
    EXPECT_EQ(idle_ticks(FlowState::kUnproven, FlowEvent::kOpen) * kSecondsPerFlowTick, 64U);
    EXPECT_EQ(idle_ticks(FlowState::kUnproven, FlowEvent::kDatagram) * kSecondsPerFlowTick, 64U);
    EXPECT_EQ(idle_ticks(FlowState::kUnproven, FlowEvent::kClose) * kSecondsPerFlowTick, 136U);
    EXPECT_EQ(idle_ticks(FlowState::kEstablished, FlowEvent::kData) * kSecondsPerFlowTick, 3'600U);
    EXPECT_EQ(idle_ticks(FlowState::kDatagram, FlowEvent::kDatagram) * kSecondsPerFlowTick, 120U);
    for (const FlowEvent event : {FlowEvent::kClose, FlowEvent::kAcknowledge}) {
        EXPECT_GE(idle_ticks(FlowState::kClosing, event) * kSecondsPerFlowTick, 120U)
            << "a server that takes two minutes for its answer";
    }
    for (const FlowState state : {FlowState::kUnproven,
                                  FlowState::kEstablished,
                                  FlowState::kClosing,
                                  FlowState::kDatagram}) {
        for (const FlowEvent event : kAllEvents) {
            EXPECT_LE(idle_ticks(state, event), kMaxIdleTicks);
            EXPECT_GT(idle_ticks(state, event), 0U);
        }
    }
}

// Every state, deadline and event, around moments before and after the clock's wrap.
TEST(SettledEntries, HaveExactlyWhatAPacketOfAProvenFlowLeavesAlone) {
    for (const std::uint64_t now : {0U, 1U, 61U, 62U, 511U, 1'000'003U}) {
        const SettledEntries settled{FlowTick{now}};
        for (std::uint64_t low = 0; low < 4'096; ++low) {
            const FlowEntry entry(0xDEAD'BEEF'1234'5000U | low);
            for (const FlowEvent event : kAllEvents) {
                const bool is_unchanged = after_packet(entry, event, FlowTick{now}) == entry;
                if (settled.has(entry, event)) {
                    ASSERT_TRUE(is_unchanged) << low << ' ' << now;
                } else if (is_unchanged) {
                    // What is asked for in full: a second SYN, and the ends of a flow.
                    const bool is_rare = entry.state() == FlowState::kUnproven ||
                                         entry.state() == FlowState::kClosing;
                    ASSERT_TRUE(is_rare) << low << ' ' << now;
                }
            }
        }
    }
}

TEST(FlowHash, IsThatOfBpfAbi) {
    const TransportKey key{Be16::from_host(1024), Be16::from_host(443), 6};
    const Be32 source = Be32::from_host(0xC000'0201);
    const Be32 destination = Be32::from_host(0xCB00'710A);
    EXPECT_EQ(flow_hash_v4(7, source, destination, key),
              fl_flow_hash_v4(7,
                              source.raw(),
                              destination.raw(),
                              key.source_port.raw(),
                              key.destination_port.raw(),
                              6));
    EXPECT_NE(flow_hash_v4(7, source, destination, key), flow_hash_v4(8, source, destination, key));
}

}  // namespace
}  // namespace fairlead
