#include "ctl/trace/trace.h"

#include <array>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/lending_rig.h"

namespace fairlead::trace {
namespace {

using testing::address;
using testing::kPortal;
using testing::LendingRig;
using testing::make_frame;

// The rig's worker is the engine; a trace looks at the same tables, from outside.
class Trace : public ::testing::Test {
  protected:
    [[nodiscard]] Answer ask(const Question& question) {
        const shm::TablesReader tables = rig_.tables.reader();
        const std::array views{FlowTableView(std::span(idle_worker_)),
                               FlowTableView(std::span(rig_.buckets))};
        return trace(tables, views, rig_.context.now, question);
    }
    [[nodiscard]] static Question portal(std::uint16_t source_port, std::uint8_t flags = kTcpSyn) {
        return {kProtocolTcp,
                address("198.51.100.7"),
                address("203.0.113.10"),
                source_port,
                443,
                flags};
    }
    [[nodiscard]] Verdict send(std::uint16_t source_port, std::uint8_t flags = kTcpSyn) {
        return rig_.forward(make_frame({.source_port = source_port, .flags = flags})).verdict;
    }
    [[nodiscard]] std::vector<std::uint64_t> flow_words() const {
        std::vector<std::uint64_t> words;
        for (const shm::FlowBucket& bucket : rig_.buckets) {
            for (const auto& entry : bucket.entries) {
                words.push_back(entry.load());
            }
        }
        return words;
    }

    LendingRig rig_;
    std::vector<shm::FlowBucket> idle_worker_{16};
};

TEST_F(Trace, ForeseesWhatTheEngineThenDoes) {
    for (std::uint16_t port = 40'000; port < 40'100; ++port) {
        const Answer foreseen = ask(portal(port));
        ASSERT_TRUE(foreseen.flows.empty());
        ASSERT_EQ(foreseen.decider, Decider::kRing);
        ASSERT_TRUE(foreseen.ring);
        const Verdict verdict = send(port);
        ASSERT_EQ(foreseen.verdict.backend, verdict.backend);
        ASSERT_EQ(foreseen.ring->backend, verdict.backend);
        ASSERT_EQ(foreseen.verdict.service, kPortal);
        ASSERT_EQ(foreseen.destination_mac.bytes[5], to_number(verdict.backend));
        ASSERT_FALSE(foreseen.outer);
    }
}

TEST_F(Trace, OfServicesThatKeepTheirClientsItSaysSoAndIsRight) {
    const testing::ServiceKey range{address("203.0.113.10"), 8'000, kProtocolTcp, 8'100};
    std::array<std::uint16_t, 251> ring{};
    for (std::size_t slot = 0; slot < ring.size(); ++slot) {
        ring[slot] = static_cast<std::uint16_t>(slot % 2);
    }
    rig_.tables.add_service(range, shm::ForwardingMode::kL2, kPortal, 4, ring).source_prefix_bits =
        24;
    rig_.start();
    std::set<BackendIndex> all;
    for (std::uint16_t number = 0; number < 40; ++number) {
        const std::string prefix = "198.51." + std::to_string(number) + ".";
        std::set<BackendIndex> backends;
        for (std::uint16_t port = 8'000; port <= 8'100; port += 50) {
            const std::string client = prefix + std::to_string(port % 256);
            const Answer foreseen =
                ask({kProtocolTcp, address(client), range.vip, 40'000, port, kTcpSyn});
            ASSERT_TRUE(foreseen.ring);
            EXPECT_EQ(foreseen.ring->source_prefix_bits, 24);
            EXPECT_EQ(foreseen.ring->backend, foreseen.verdict.backend);
            const Verdict verdict =
                rig_.forward(make_frame({.source = client, .destination_port = port})).verdict;
            EXPECT_EQ(verdict.backend, foreseen.verdict.backend);
            backends.insert(verdict.backend);
        }
        EXPECT_EQ(backends.size(), 1U) << prefix;
        all.insert(backends.begin(), backends.end());
    }
    EXPECT_EQ(all.size(), 2U);
    EXPECT_EQ(ask(portal(40'000)).ring->source_prefix_bits, 0);
}

TEST_F(Trace, NamesThePrefixThatDecided) {
    EXPECT_FALSE(ask(portal(1)).source) << "the service has no lists";
    using Prefixes = std::vector<IpPrefix>;
    const prefix::Lists lists{
        std::make_shared<const Prefixes>(1, prefix_around(address("198.51.0.0"), 16)),
        std::make_shared<const Prefixes>(1, prefix_around(address("198.51.100.0"), 24))};
    rig_.tables.set_prefix_lists({&lists, 1});
    rig_.tables.limit(rig_.tables.service({address("203.0.113.10"), 443, kProtocolTcp}), 1, 1, 1);
    const Answer denied = ask(portal(1));
    EXPECT_EQ(denied.verdict.reason, DropReason::kDeniedSource);
    EXPECT_EQ(denied.verdict.service, kPortal);
    ASSERT_TRUE(denied.source);
    EXPECT_TRUE(denied.source->is_denied);
    EXPECT_EQ(denied.source->match, shm::SourceMatch::kDeny);
    EXPECT_EQ(denied.source->prefix, prefix_around(address("198.51.100.0"), 24));
    Question other = portal(1);
    other.source = address("198.51.101.7");
    EXPECT_EQ(ask(other).verdict.action, Action::kTransmit) << "rates are not foreseen";
    EXPECT_EQ(ask(other).source->match, shm::SourceMatch::kAllow);
    other.source = address("10.9.9.9");
    EXPECT_EQ(ask(other).source->match, shm::SourceMatch::kNone);
    EXPECT_TRUE(ask(other).source->is_denied);
}

TEST_F(Trace, ChangesNeitherFlowsNorCounters) {
    (void)send(40'000);
    const auto before = flow_words();
    const std::uint64_t packets = rig_.worker().packets.get();
    const std::uint64_t new_flows = rig_.service(kPortal).new_flows.get();
    for (const std::uint8_t flags : {kTcpSyn, kTcpAck, kTcpFin}) {
        (void)ask(portal(40'000, flags));
        (void)ask(portal(40'001, flags));
    }
    EXPECT_EQ(flow_words(), before);
    EXPECT_EQ(rig_.worker().packets.get(), packets);
    EXPECT_EQ(rig_.service(kPortal).new_flows.get(), new_flows);
}

TEST_F(Trace, AnEstablishedFlowStaysWithADrainedBackendAndANewOneGoesElsewhere) {
    (void)send(40'000);
    const Verdict verdict = send(40'000, kTcpAck);
    const unsigned backend = to_number(verdict.backend);
    const auto other = static_cast<std::uint16_t>(1 - backend);
    rig_.set_word(backend, testing::kDraining);
    rig_.give_ring_to(kPortal, {address("203.0.113.10"), 443, kProtocolTcp}, other);

    const Answer established = ask(portal(40'000, kTcpAck));
    EXPECT_EQ(established.verdict.backend, verdict.backend);
    EXPECT_EQ(established.decider, Decider::kFlowTable);
    ASSERT_EQ(established.flows.size(), 1U);
    EXPECT_EQ(established.flows.front().worker, WorkerIndex{1});
    EXPECT_EQ(established.flows.front().entry.state(), FlowState::kEstablished);
    EXPECT_EQ(established.flows.front().seconds_left, 3'600);
    EXPECT_EQ(established.ring->backend, BackendIndex{other});

    const Answer begun = ask(portal(40'001));
    EXPECT_EQ(begun.verdict.backend, BackendIndex{other});
    EXPECT_EQ(begun.decider, Decider::kRing);
    EXPECT_EQ(send(40'001).backend, BackendIndex{other});
}

TEST_F(Trace, ASynOfATrackedFlowGoesWhereItsWorkerSendsIt) {
    (void)send(40'000);
    const Verdict verdict = send(40'000, kTcpAck);
    const auto other = static_cast<std::uint16_t>(1 - to_number(verdict.backend));
    rig_.give_ring_to(kPortal, {address("203.0.113.10"), 443, kProtocolTcp}, other);
    const Answer answer = ask(portal(40'000));
    EXPECT_EQ(answer.verdict.backend, verdict.backend);
    EXPECT_EQ(answer.decider, Decider::kFlowTable);
    EXPECT_EQ(send(40'000).backend, verdict.backend);
}

TEST_F(Trace, TellsTheTunnel) {
    const Answer four =
        ask({kProtocolTcp, address("198.51.100.7"), address("203.0.113.11"), 40'000, 443, kTcpSyn});
    ASSERT_EQ(four.verdict.action, Action::kTransmit);
    ASSERT_TRUE(four.outer);
    EXPECT_EQ(four.outer->source, address("10.0.0.2"));
    EXPECT_EQ(four.outer->protocol, kProtocolIpip);
    EXPECT_EQ(four.bytes, 14U + 20U + 20U + 20U);
    const Answer six =
        ask({kProtocolUdp, address("2001:db8::7"), address("2001:db8::11"), 40'000, 514, 0});
    ASSERT_TRUE(six.outer);
    EXPECT_EQ(six.outer->source, address("fd00::2"));
    EXPECT_EQ(six.outer->protocol, kProtocolIpv6);
}

TEST_F(Trace, AsksAsTheTrafficOfAPortWithAVlanComes) {
    rig_.tables.port(0).vlan = 7;
    rig_.start();
    const Answer plain = ask(portal(40'000));
    ASSERT_EQ(plain.verdict.action, Action::kTransmit);
    EXPECT_FALSE(plain.outer);
    EXPECT_EQ(plain.bytes, 14U + 4U + 20U + 20U);
    const Answer tunnel =
        ask({kProtocolTcp, address("198.51.100.7"), address("203.0.113.11"), 40'000, 443, kTcpSyn});
    ASSERT_EQ(tunnel.verdict.action, Action::kTransmit);
    ASSERT_TRUE(tunnel.outer);
    EXPECT_EQ(tunnel.outer->source, address("10.0.0.2"));
    EXPECT_EQ(tunnel.outer->protocol, kProtocolIpip);
}

TEST_F(Trace, TellsWhyNothingIsForwarded) {
    Question question = portal(40'000);
    question.destination_port = 81;
    EXPECT_EQ(ask(question).verdict.reason, DropReason::kNoService);
    question.destination = address("192.0.2.1");
    EXPECT_EQ(ask(question).verdict.action, Action::kKernel);
    question = portal(40'000);
    question.source = address("127.0.0.1");
    EXPECT_EQ(ask(question).verdict.reason, DropReason::kMartianSource);
    rig_.set_word(0, testing::kReady & ~std::uint64_t{shm::BackendWord::kLinked});
    rig_.set_word(1, testing::kReady & ~std::uint64_t{shm::BackendWord::kLinked});
    const Answer unlinked = ask(portal(40'000));
    EXPECT_EQ(unlinked.verdict.reason, DropReason::kNoNeighbor);
    EXPECT_EQ(unlinked.decider, Decider::kRing);
    EXPECT_EQ(rig_.tables.header().generation.load(), 1U);
}

TEST_F(Trace, BeforeTheFirstGenerationEverythingIsTheKernels) {
    rig_.tables.header().root.store(shm::kSnapshotSlots);
    EXPECT_EQ(ask(portal(40'000)).verdict.action, Action::kKernel);
}

}  // namespace
}  // namespace fairlead::trace
