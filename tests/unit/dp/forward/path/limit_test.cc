#include "dp/forward/path/limit.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/lending_rig.h"

namespace fairlead {
namespace {

using testing::address;
using testing::Bytes;
using testing::FrameSpec;
using testing::kNotify6;
using testing::kPortal;
using testing::LendingRig;
using testing::make_frame;
using testing::ServiceKey;

struct Limits {
    prefix::Lists lists;
    std::uint32_t packets = 0;
    std::uint32_t new_flows = 0;
};

prefix::PrefixList list_of(const std::vector<std::pair<const char*, unsigned>>& prefixes) {
    std::vector<IpPrefix> list;
    list.reserve(prefixes.size());
    for (const auto& [text, length] : prefixes) {
        list.push_back(prefix_around(address(text), length));
    }
    return std::make_shared<const std::vector<IpPrefix>>(std::move(list));
}

// A worker whose services portal and notify6 have limits.
class LimitedRig : public LendingRig {
  public:
    explicit LimitedRig(const Limits& limits) {
        const bool has_lists = !limits.lists.empty();
        if (has_lists) {
            tables.set_prefix_lists({&limits.lists, 1});
        }
        for (const ServiceKey& key : {ServiceKey{address("203.0.113.10"), 443, kProtocolTcp},
                                      ServiceKey{address("2001:db8::11"), 514, kProtocolUdp}}) {
            tables.limit(tables.service(key), has_lists ? 1 : 0, limits.packets, limits.new_flows);
        }
        start();
        context.limits = RateLimits(budgets_, credits_, sources_, 1);
    }

    DropReason reason_of(const FrameSpec& spec) { return forward(make_frame(spec)).verdict.reason; }
    DropReason syn(std::uint16_t port, std::string_view source = "198.51.100.7") {
        return reason_of({.source = source, .source_port = port});
    }
    // How many of `count` SYNs from ports of their own go on.
    int syns(std::uint16_t first, int count, std::string_view source = "198.51.100.7") {
        int forwarded = 0;
        for (int i = 0; i < count; ++i) {
            forwarded +=
                syn(static_cast<std::uint16_t>(first + i), source) == DropReason::kNone ? 1 : 0;
        }
        return forwarded;
    }

  private:
    std::vector<PacketBudget> budgets_ = std::vector<PacketBudget>(16);
    std::vector<PacketCredit> credits_ = std::vector<PacketCredit>(16);
    std::vector<SourceSet> sources_ = std::vector<SourceSet>(16);
};

TEST(Limit, ADeniedSourceIsDroppedAlsoInTheMiddleOfItsFlow) {
    LimitedRig rig({.lists = {nullptr, list_of({{"198.51.100.0", 24}})}});
    auto& service = rig.tables.service({address("203.0.113.10"), 443, kProtocolTcp});
    service.prefix_list = 0;
    ASSERT_EQ(rig.forward(make_frame({})).verdict.action, Action::kTransmit);
    service.prefix_list = 1;
    const auto forwarded = rig.forward(make_frame({.flags = kTcpAck}));
    EXPECT_EQ(forwarded.verdict.action, Action::kDrop);
    EXPECT_EQ(forwarded.verdict.reason, DropReason::kDeniedSource);
    EXPECT_EQ(forwarded.verdict.service, kPortal);
    EXPECT_EQ(forwarded.bytes, make_frame({.flags = kTcpAck}));
    EXPECT_EQ(rig.dropped(DropReason::kDeniedSource), 1U);
    EXPECT_EQ(rig.service(kPortal).received_packets.get(), 2U);
    EXPECT_EQ(
        rig.service(kPortal).dropped[static_cast<std::size_t>(DropReason::kDeniedSource)].get(),
        1U);
    EXPECT_EQ(rig.worker().flow_hits.get(), 0U) << "before the flow table";
    EXPECT_EQ(rig.syn(1, "198.51.101.7"), DropReason::kNone);
}

TEST(Limit, AnotherServiceIsNotConcerned) {
    LimitedRig rig({.lists = {nullptr, list_of({{"0.0.0.0", 0}})}, .packets = 1, .new_flows = 1});
    for (std::uint16_t port = 1; port < 100; ++port) {
        EXPECT_EQ(rig.reason_of({.destination = "203.0.113.11", .source_port = port}),
                  DropReason::kNone);
    }
}

TEST(Limit, TheV6ServiceSharesTheList) {
    LimitedRig rig({.lists = {list_of({{"2001:db8:c::", 48}}), list_of({{"2001:db8:c:1::", 64}})}});
    const auto from = [&rig](std::string_view source) {
        return rig.reason_of({.source = source,
                              .destination = "2001:db8::11",
                              .destination_port = 514,
                              .protocol = kProtocolUdp});
    };
    EXPECT_EQ(from("2001:db8:c::7"), DropReason::kNone);
    EXPECT_EQ(from("2001:db8:c:1::7"), DropReason::kDeniedSource);
    EXPECT_EQ(from("2001:db8:d::7"), DropReason::kDeniedSource);
    EXPECT_EQ(rig.syn(1), DropReason::kDeniedSource) << "the list allows, and not this source";
}

TEST(Limit, AnIcmpErrorIsJudgedByTheClientThatItQuotes) {
    LimitedRig rig({.lists = {nullptr, list_of({{"198.51.100.0", 24}, {"192.0.2.0", 24}})}});
    const auto about = [&rig](std::string_view client, std::string_view router) {
        const Bytes quoted = make_frame({.source = "203.0.113.10",
                                         .destination = client,
                                         .source_port = 443,
                                         .destination_port = 40'000});
        return rig
            .forward(testing::make_icmp_frame({.source = router, .destination = "203.0.113.10"},
                                              testing::ip_of(quoted)))
            .verdict.reason;
    };
    EXPECT_EQ(about("198.51.100.7", "10.9.9.9"), DropReason::kDeniedSource);
    EXPECT_EQ(about("198.51.102.7", "192.0.2.1"), DropReason::kNone);
}

TEST(Limit, AListThatIsNotThereIsBadTables) {
    LimitedRig rig({.lists = {nullptr, list_of({{"198.51.100.0", 24}})}});
    rig.tables.service({address("203.0.113.10"), 443, kProtocolTcp}).prefix_list = 2;
    EXPECT_EQ(rig.syn(1), DropReason::kBadTables);
    rig.tables.service({address("203.0.113.10"), 443, kProtocolTcp}).prefix_list = 1;
    EXPECT_EQ(rig.syn(2), DropReason::kDeniedSource);
    rig.tables.snapshot().prefix_table = 2;
    rig.start();
    EXPECT_EQ(rig.syn(3), DropReason::kBadTables);
}

TEST(Limit, PacketsBeyondTheRateAreDropped) {
    LimitedRig rig({.packets = 1'000});
    int forwarded = 0;
    for (int ms = 0; ms < 1'000; ++ms) {
        rig.context.now_ms = static_cast<std::uint64_t>(ms);
        for (int i = 0; i < 5; ++i) {
            const DropReason reason = rig.reason_of({.flags = kTcpAck});
            EXPECT_TRUE(reason == DropReason::kNone || reason == DropReason::kOverPacketLimit);
            forwarded += reason == DropReason::kNone ? 1 : 0;
        }
    }
    EXPECT_GE(forwarded, 1'000);
    EXPECT_LE(forwarded, 1'125);
}

TEST(Limit, WhatTheListsDenyTakesNothingOfThePacketRate) {
    LimitedRig rig({.lists = {nullptr, list_of({{"198.51.100.0", 24}})}, .packets = 10});
    for (std::uint16_t port = 1; port < 1'000; ++port) {
        ASSERT_EQ(rig.syn(port), DropReason::kDeniedSource);
    }
    EXPECT_EQ(rig.syn(1, "198.51.102.7"), DropReason::kNone);
    EXPECT_EQ(rig.syn(2, "198.51.102.7"), DropReason::kOverPacketLimit);
}

TEST(Limit, OneSourceBeginsSoManyFlowsAndNoMore) {
    LimitedRig rig({.new_flows = 20});
    EXPECT_EQ(rig.syns(1'000, 100), 20);
    EXPECT_EQ(rig.syn(2'000), DropReason::kOverSourceLimit);
    EXPECT_EQ(rig.syns(1'000, 20, "198.51.100.8"), 20) << "another source is not concerned";
    EXPECT_EQ(rig.flows->entry_count(), 40U) << "nothing was inserted for what was refused";
    rig.context.now_ms += 500;
    EXPECT_EQ(rig.syns(3'000, 100), 10);
}

TEST(Limit, FlowsThatAreThereGoOn) {
    LimitedRig rig({.new_flows = 5});
    EXPECT_EQ(rig.syns(1'000, 50), 5);
    for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(rig.reason_of({.source_port = 1'002, .flags = kTcpAck}), DropReason::kNone);
        EXPECT_EQ(rig.syn(1'003), DropReason::kNone) << "its SYN again";
    }
    // What may be of a connection that is not known here is let through.
    EXPECT_EQ(rig.reason_of({.source_port = 9'000, .flags = kTcpAck}), DropReason::kNone);
    EXPECT_EQ(rig.reason_of({.source_port = 9'001, .flags = kTcpRst}), DropReason::kNone);
}

TEST(Limit, APortThatIsUsedAgainBeginsAFlow) {
    LimitedRig rig({.new_flows = 2});
    for (int flow = 0; flow < 2; ++flow) {
        EXPECT_EQ(rig.syn(1), DropReason::kNone);
        EXPECT_EQ(rig.reason_of({.source_port = 1, .flags = kTcpAck}), DropReason::kNone);
        EXPECT_EQ(rig.reason_of({.source_port = 1, .flags = kTcpFin | kTcpAck}), DropReason::kNone);
    }
    EXPECT_EQ(rig.syn(1), DropReason::kOverSourceLimit);
}

TEST(Limit, OfIpv6ASlash64IsOneSource) {
    LimitedRig rig({.new_flows = 10});
    int forwarded = 0;
    for (int host = 1; host <= 50; ++host) {
        const std::string source = "2001:db8:c:1::" + std::to_string(host);
        forwarded += rig.reason_of({.source = source,
                                    .destination = "2001:db8::11",
                                    .destination_port = 514,
                                    .protocol = kProtocolUdp}) == DropReason::kNone
                         ? 1
                         : 0;
    }
    EXPECT_EQ(forwarded, 10);
    EXPECT_EQ(rig.reason_of({.source = "2001:db8:c:2::1",
                             .destination = "2001:db8::11",
                             .destination_port = 514,
                             .protocol = kProtocolUdp}),
              DropReason::kNone);
    EXPECT_EQ(
        rig.service(kNotify6).dropped[static_cast<std::size_t>(DropReason::kOverSourceLimit)].get(),
        40U);
}

// Where unknown flows come faster than the other workers' tables may be searched.
TEST(Limit, DatagramsThatNobodyCouldSearchForBeginFlowsToo) {
    LimitedRig rig({.new_flows = 10});
    const LendingRig other;
    const std::vector<FlowTableView> views(
        1'024, FlowTableView{std::span<const shm::FlowBucket>(other.buckets)});
    rig.context.other_flows = views;
    while (rig.context.search_limit.take(views.size(), rig.context.now_ms)) {
    }
    int forwarded = 0;
    for (std::uint16_t port = 1'000; port < 1'050; ++port) {
        const DropReason reason = rig.reason_of({.source = "2001:db8:c:1::7",
                                                 .destination = "2001:db8::11",
                                                 .source_port = port,
                                                 .destination_port = 514,
                                                 .protocol = kProtocolUdp});
        EXPECT_TRUE(reason == DropReason::kNone || reason == DropReason::kOverSourceLimit);
        forwarded += reason == DropReason::kNone ? 1 : 0;
    }
    EXPECT_EQ(forwarded, 10);
    EXPECT_EQ(rig.worker().flow_searches_skipped.get(), 50U);
}

TEST(Limit, WithoutBucketsRatesDoNotLimit) {
    LimitedRig rig({.packets = 1, .new_flows = 1});
    rig.context.limits = {};
    EXPECT_EQ(rig.syns(1, 50), 50);
}

}  // namespace
}  // namespace fairlead
