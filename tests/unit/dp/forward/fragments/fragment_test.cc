// What the packet table (tests/packet/fragments.py) cannot show: several workers, and tables that
// change between the pieces of a datagram.
#include "dp/forward/fragments/fragment.h"

#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "dp/net/parse.h"
#include "tests/support/lending_rig.h"

namespace fairlead {
namespace {

using testing::Bytes;
using testing::LendingRig;

constexpr std::size_t kIp = sizeof(EthernetHeader);
const IpAddress kApiVip = testing::address("203.0.113.11");

// A piece of a TCP datagram to 203.0.113.11:443 (api, ipip). Behind byte 800 nothing follows.
Bytes piece(std::uint16_t offset, std::uint16_t bytes, std::uint16_t source_port = 40'000) {
    Bytes frame = testing::make_frame({.destination = "203.0.113.11",
                                       .source_port = source_port,
                                       .flags = kTcpAck,
                                       .payload_bytes = bytes - sizeof(TcpHeader)});
    const unsigned more = offset + bytes < 800 ? 0x2000U : 0U;
    header_at<Ipv4Header>(frame.data() + kIp)
        .flags_and_offset.set(Be16::from_host(static_cast<std::uint16_t>(more | offset / 8U)));
    testing::fix_ip_checksum(frame);
    return frame;
}

// Another worker of the same engine: tables and fragments are shared, flows and counters are not.
class SecondWorker {
  public:
    explicit SecondWorker(LendingRig& first) : context_(first.context) {
        context_.flows = &flows_;
        context_.counters = {worker_.get(), services_, backends_};
    }
    [[nodiscard]] Verdict forward(Bytes frame) {
        Bytes buffer(kNeededHeadroomBytes);
        buffer.insert(buffer.end(), frame.begin(), frame.end());
        Packet packet{buffer.data() + kNeededHeadroomBytes,
                      static_cast<std::uint32_t>(frame.size()),
                      kNeededHeadroomBytes};
        Verdict verdict;
        forward_burst(context_, {&packet, 1}, {&verdict, 1});
        return verdict;
    }
    [[nodiscard]] ForwardContext& context() { return context_; }
    [[nodiscard]] shm::WorkerBlock& worker() { return *worker_; }

  private:
    std::vector<shm::FlowBucket> buckets_ = std::vector<shm::FlowBucket>(64);
    std::vector<shm::ServiceCounters> services_ = std::vector<shm::ServiceCounters>(16);
    std::vector<shm::BackendCounters> backends_ = std::vector<shm::BackendCounters>(64);
    std::unique_ptr<shm::WorkerBlock> worker_ = std::make_unique<shm::WorkerBlock>();
    FlowTable flows_{buckets_, *worker_, backends_};
    ForwardContext context_;
};

TEST(Fragment, TheOtherWorkerSendsLaterPiecesWhereTheFirstOneWent) {
    for (std::uint16_t port = 40'000; port < 40'064; ++port) {
        LendingRig rig;
        SecondWorker other(rig);
        EXPECT_EQ(other.forward(piece(400, 400)).action, Action::kHold);
        const Verdict first = rig.forward(piece(0, 400, port)).verdict;
        ASSERT_EQ(first.action, Action::kTransmit);
        const Verdict second = other.forward(piece(400, 400));
        ASSERT_EQ(second.action, Action::kTransmit);
        EXPECT_EQ(second.backend, first.backend);
        EXPECT_EQ(second.service, testing::kApi);
        EXPECT_EQ(other.worker().packets.get(), 1U) << "what was held is counted when it leaves";
        EXPECT_EQ(other.worker().flow_entries.get(), 0U) << "the flow is the first worker's";
    }
}

TEST(Fragment, TheFirstPieceFollowsItsFlowAlsoInAnotherWorkersTable) {
    LendingRig rig;
    SecondWorker other(rig);
    const Verdict before =
        rig.forward(testing::make_frame({.destination = "203.0.113.11"})).verdict;
    // The ring says otherwise by now.
    rig.give_ring_to(
        testing::kApi, {kApiVip, 443, kProtocolTcp}, before.backend == BackendIndex{2} ? 3 : 2);
    rig.start();
    const FlowTableView view{std::span<const shm::FlowBucket>(rig.buckets)};
    other.context().snapshot = rig.context.snapshot;
    other.context().tables = rig.context.tables;
    other.context().other_flows = {&view, 1};
    EXPECT_EQ(other.forward(piece(0, 400)).backend, before.backend);
    EXPECT_EQ(other.forward(piece(400, 400)).backend, before.backend);
    EXPECT_EQ(other.worker().flow_adopted.get(), 1U);
}

TEST(Fragment, ABackendThatIsGoneGetsNoLaterPieces) {
    using enum DropReason;
    struct Change {
        std::uint64_t flags;
        unsigned incarnation;
        DropReason reason;
    };
    for (const Change& change : {Change{testing::kReady, 1, kNone},
                                 Change{testing::kDraining, 1, kNone},
                                 Change{testing::kInMaintenance, 1, kNoBackend},
                                 Change{testing::kReady, 2, kNoBackend},
                                 Change{0, 1, kNoBackend}}) {
        LendingRig rig;
        const Verdict first = rig.forward(piece(0, 400)).verdict;
        ASSERT_EQ(first.action, Action::kTransmit);
        rig.set_word(to_number(first.backend), change.flags, change.incarnation);
        const Verdict second = rig.forward(piece(400, 400)).verdict;
        EXPECT_EQ(text_of(second.reason).metric, text_of(change.reason).metric);
    }
}

// An index that another service has taken over meanwhile, with the same incarnation after 64 turns.
TEST(Fragment, ABackendOfAnotherServiceGetsNoLaterPieces) {
    LendingRig rig;
    const Verdict first = rig.forward(piece(0, 400)).verdict;
    ASSERT_EQ(first.action, Action::kTransmit);
    rig.tables.backend(first.backend).service = testing::kPortal;
    EXPECT_EQ(rig.forward(piece(400, 400)).verdict.reason, DropReason::kNoBackend);
}

TEST(Fragment, APieceWhoseBucketAnotherWorkerIsInIsHeldNotLost) {
    LendingRig rig;
    std::vector<FragmentBucket> one_bucket(1);
    FragmentTable fragments(one_bucket);
    rig.context.fragments = &fragments;
    const FragmentKey key{
        testing::address("198.51.100.9"), testing::address("203.0.113.10"), 1, 17};
    {
        const FragmentVisit visit(fragments, LendingRig::kSeed, key, 0);
        ASSERT_TRUE(visit.has_access());
        EXPECT_EQ(rig.forward(piece(0, 400)).verdict.action, Action::kHold);
        EXPECT_EQ(rig.forward(piece(400, 400)).verdict.action, Action::kHold);
    }
    EXPECT_EQ(rig.forward(piece(0, 400)).verdict.action, Action::kTransmit);
    EXPECT_EQ(rig.forward(piece(400, 400)).verdict.action, Action::kTransmit);
}

// Eight bytes of a ping of 203.0.113.11, which answers pings; the first ones are the ICMP header.
Bytes ping_piece(LendingRig& rig, std::uint16_t offset, bool has_more, std::uint16_t number = 1) {
    rig.tables.vip_mark(kApiVip).vip_policy = shm::kAnswersEcho;
    const Bytes body(offset == 0 ? 0 : 8);
    Bytes frame = testing::make_icmp_frame(
        {.destination = "203.0.113.11", .type = kIcmpEchoRequest, .code = 0}, body);
    constexpr std::size_t kIcmp = kIp + sizeof(Ipv4Header);
    if (offset != 0) {
        frame.erase(frame.begin() + kIcmp, frame.begin() + kIcmp + sizeof(IcmpHeader));
    }
    auto& ip = header_at<Ipv4Header>(frame.data() + kIp);
    ip.total_length.set(Be16::from_host(static_cast<std::uint16_t>(frame.size() - kIp)));
    ip.identification.set(Be16::from_host(number));
    ip.flags_and_offset.set(
        Be16::from_host(static_cast<std::uint16_t>((has_more ? 0x2000U : 0U) | offset / 8U)));
    testing::fix_ip_checksum(frame);
    return frame;
}

TEST(Fragment, APingWhosePiecesComeToTwoWorkersIsAnsweredByBoth) {
    LendingRig rig;
    SecondWorker other(rig);
    EXPECT_EQ(other.forward(ping_piece(rig, 8, false)).action, Action::kHold);
    EXPECT_EQ(rig.forward(ping_piece(rig, 0, true)).verdict.reply, ReplyKind::kEcho);
    EXPECT_EQ(other.forward(ping_piece(rig, 8, false)).reply, ReplyKind::kEcho);
    EXPECT_EQ(other.forward(ping_piece(rig, 8, false)).action, Action::kHold) << "it was whole";
}

// Whatever the pieces are: no more packets leave than there are tokens, and none of a datagram
// whose reply has a hole.
TEST(Fragment, EveryPieceOfAPingPaysAtTheReplyLimit) {
    LendingRig rig;
    constexpr auto kPieces = static_cast<std::uint16_t>(2 * ReplyLimit::kBurst);
    std::uint64_t answered = 0;
    for (std::uint16_t number = 0; number < kPieces; ++number) {
        const auto offset = static_cast<std::uint16_t>(number * 8);
        const Verdict verdict = rig.forward(ping_piece(rig, offset, true)).verdict;
        const bool is_answered = verdict.reply == ReplyKind::kEcho;
        ASSERT_EQ(is_answered, number < ReplyLimit::kBurst) << number;
        ASSERT_EQ(verdict.reason, is_answered ? DropReason::kNone : DropReason::kReplyRateLimited);
        answered += is_answered ? 1 : 0;
    }
    constexpr auto kEcho = static_cast<std::size_t>(ReplyKind::kEcho);
    EXPECT_EQ(rig.worker().replies[kEcho].get(), answered);
    EXPECT_EQ(rig.worker().suppressed_replies[kEcho].get(), 1U) << "the rest asks no more";
    rig.context.now_ms += 100;
    EXPECT_EQ(rig.forward(ping_piece(rig, kPieces * 8, false)).verdict.reason,
              DropReason::kReplyRateLimited);
    EXPECT_EQ(rig.forward(ping_piece(rig, 0, true, 2)).verdict.reply, ReplyKind::kEcho);
    EXPECT_EQ(rig.forward(ping_piece(rig, 8, false, 2)).verdict.reply, ReplyKind::kEcho);
}

TEST(Fragment, AFloodOfFirstPiecesCostsNoEstablishedFlowItsEntry) {
    LendingRig rig({}, 16);  // 64 flows
    (void)rig.forward(testing::make_frame({.destination = "203.0.113.11", .source_port = 9}));
    const Verdict established =
        rig.forward(testing::make_frame(
                        {.destination = "203.0.113.11", .source_port = 9, .flags = kTcpAck}))
            .verdict;
    const std::uint64_t hits = rig.worker().flow_hits.get();
    for (std::uint32_t client = 0; client < 20'000; ++client) {
        Bytes frame = piece(0, 400, static_cast<std::uint16_t>(1'024 + client));
        auto& ip = header_at<Ipv4Header>(frame.data() + kIp);
        ip.source.set(Be32::from_host(0x0B00'0000U + client));
        testing::fix_ip_checksum(frame);
        ASSERT_EQ(rig.forward(frame).verdict.action, Action::kTransmit);
    }
    const Verdict after =
        rig.forward(testing::make_frame(
                        {.destination = "203.0.113.11", .source_port = 9, .flags = kTcpAck}))
            .verdict;
    EXPECT_EQ(after.backend, established.backend);
    EXPECT_EQ(rig.worker().flow_hits.get(), hits + 1);
}

}  // namespace
}  // namespace fairlead
