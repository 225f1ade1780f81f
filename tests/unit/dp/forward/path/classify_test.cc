#include "dp/forward/path/classify.h"

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dp/flow/flow_hash.h"
#include "dp/net/parse.h"
#include "tests/support/lending_rig.h"

namespace fairlead {
namespace {

using testing::Bytes;
using testing::FrameSpec;
using testing::LendingRig;
using testing::make_frame;

constexpr std::size_t kIp = sizeof(EthernetHeader);

struct Case {
    std::string description;
    Bytes frame;
    Action action;
    DropReason reason = DropReason::kNone;
};

Bytes changed(const FrameSpec& spec, const std::function<void(Bytes&)>& change) {
    Bytes frame = make_frame(spec);
    change(frame);
    return frame;
}

// Changes an IPv4 frame and makes its header checksum right again.
Bytes changed_v4(const std::function<void(Bytes&)>& change) {
    return changed({}, [&change](Bytes& frame) {
        change(frame);
        testing::fix_ip_checksum(frame);
    });
}

const FrameSpec kSpec6{.source = "2001:db8:1::7", .destination = "2001:db8::10"};
const FrameSpec kSpecUdp6{.source = "2001:db8:1::7",
                          .destination = "2001:db8::11",
                          .destination_port = 514,
                          .protocol = 17,
                          .payload_bytes = 32};

void expect_all(const std::vector<Case>& cases) {
    for (const Case& one : cases) {
        LendingRig rig;
        rig.context.fragments = nullptr;  // what the classifier says of a fragment is final
        const auto [verdict, bytes] = rig.forward(one.frame);
        EXPECT_EQ(verdict.action, one.action) << one.description;
        EXPECT_EQ(text_of(verdict.reason).metric, text_of(one.reason).metric) << one.description;
        if (one.action != Action::kTransmit) {
            EXPECT_EQ(bytes, one.frame) << one.description << ": it must be left as it is";
        }
        if (one.action == Action::kDrop) {
            EXPECT_EQ(rig.dropped(one.reason), 1U) << one.description;
        }
    }
}

TEST(Classify, WhatIsNotForAVipIsTheKernels) {
    expect_all({
        {"another address", make_frame({.destination = "203.0.113.99"}), Action::kKernel},
        {"another v6 address",
         make_frame({.source = "2001:db8:1::7", .destination = "2001:db8::99"}),
         Action::kKernel},
        {"ARP",
         changed({},
                 [](Bytes& f) {
                     f[12] = 0x08;
                     f[13] = 0x06;
                 }),
         Action::kKernel},
        {"VLAN tag",
         changed({},
                 [](Bytes& f) {
                     f[12] = 0x81;
                     f[13] = 0x00;
                 }),
         Action::kKernel},
        {"LLC",
         changed({},
                 [](Bytes& f) {
                     f[12] = 0x00;
                     f[13] = 0x26;
                 }),
         Action::kKernel},
        {"Ethernet header alone, unknown type",
         Bytes{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xCC},
         Action::kKernel},
        {"another address, bad checksum",
         changed({.destination = "203.0.113.99"}, [](Bytes& f) { f[kIp + 10] ^= 1U; }),
         Action::kKernel},
        {"another address, fragment",
         changed({.destination = "203.0.113.99"},
                 [](Bytes& f) {
                     f[kIp + 6] = 0x20;
                     testing::fix_ip_checksum(f);
                 }),
         Action::kKernel},
        {"v6 destination that is a v4-mapped VIP",
         changed(kSpec6,
                 [](Bytes& f) {
                     const auto mapped = testing::address("203.0.113.10").bytes();
                     std::copy(mapped.begin(), mapped.end(), f.begin() + kIp + 24);
                 }),
         Action::kKernel},
    });
}

TEST(Classify, TruncatedFrames) {
    const Bytes v4 = make_frame({});
    const Bytes v6 = make_frame(kSpec6);
    const auto first = [](const Bytes& frame, std::size_t n) {
        return Bytes(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(n));
    };
    using enum DropReason;
    expect_all({
        {"empty", {}, Action::kDrop, kTruncated},
        {"13 bytes", first(v4, 13), Action::kDrop, kTruncated},
        {"IPv4 header less a byte", first(v4, kIp + 19), Action::kDrop, kTruncated},
        {"IPv4 header alone", first(v4, kIp + 20), Action::kDrop, kBadTotalLength},
        {"IPv4 less a byte", first(v4, v4.size() - 1), Action::kDrop, kBadTotalLength},
        {"IPv6 header less a byte", first(v6, kIp + 39), Action::kDrop, kTruncated},
        {"IPv6 less a byte", first(v6, v6.size() - 1), Action::kDrop, kBadTotalLength},
    });
}

TEST(Classify, Ipv4HeadersThatCannotBe) {
    using enum DropReason;
    const auto set = [](std::size_t offset, unsigned value) {
        return [offset, value](Bytes& f) {
            f[kIp + offset] = static_cast<std::uint8_t>(value);
        };
    };
    expect_all({
        {"version 5", changed_v4(set(0, 0x55)), Action::kDrop, kBadIpVersion},
        {"version 6", changed_v4(set(0, 0x65)), Action::kDrop, kBadIpVersion},
        {"header of 16 bytes", changed({}, set(0, 0x44)), Action::kDrop, kBadHeaderLength},
        {"total length below the header", changed_v4(set(3, 19)), Action::kDrop, kBadTotalLength},
        {"header beyond the total length",
         changed({}, set(0, 0x4F)),
         Action::kDrop,
         kBadTotalLength},
        {"total length of one byte more", changed_v4(set(3, 41)), Action::kDrop, kBadTotalLength},
        {"wrong checksum", changed({}, set(10, 0)), Action::kDrop, kBadIpChecksum},
        {"more fragments", changed_v4(set(6, 0x20)), Action::kDrop, kFragment},
        {"fragment offset", changed_v4(set(7, 1)), Action::kDrop, kFragment},
        {"reserved bit alone", changed_v4(set(6, 0x80)), Action::kTransmit},
        {"don't fragment", changed_v4(set(6, 0x40)), Action::kTransmit},
        {"a TCP segment that claims to be ICMP",
         changed_v4(set(9, 1)),
         Action::kDrop,
         kBadIcmpChecksum},
        {"IP in IP", changed_v4(set(9, 4)), Action::kDrop, kUnsupportedProtocol},
    });
}

TEST(Classify, SourcesThatCannotBe) {
    using enum DropReason;
    std::vector<Case> cases;
    for (const char* source :
         {"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"}) {
        cases.push_back({source, make_frame({.source = source}), Action::kDrop, kMartianSource});
    }
    cases.push_back({"land: source is the VIP",
                     make_frame({.source = "203.0.113.10"}),
                     Action::kDrop,
                     kMartianSource});
    for (const char* source : {"::", "::1", "ff02::1", "2001:db8::10"}) {
        cases.push_back({source,
                         make_frame({.source = source, .destination = "2001:db8::10"}),
                         Action::kDrop,
                         kMartianSource});
    }
    cases.push_back({"::ffff:198.51.100.7",
                     changed(kSpec6,
                             [](Bytes& f) {
                                 const auto mapped = testing::address("198.51.100.7").bytes();
                                 std::copy(mapped.begin(), mapped.end(), f.begin() + kIp + 8);
                             }),
                     Action::kDrop,
                     kMartianSource});
    expect_all(cases);
}

TEST(Classify, Ipv6HeadersThatCannotBe) {
    using enum DropReason;
    const auto set = [](std::size_t offset, unsigned value) {
        return changed(kSpec6, [offset, value](Bytes& f) {
            f[kIp + offset] = static_cast<std::uint8_t>(value);
        });
    };
    std::vector<Case> cases{
        {"version 4", set(0, 0x45), Action::kDrop, kBadIpVersion},
        {"payload of one byte more", set(5, 21), Action::kDrop, kBadTotalLength},
        {"payload length 0", set(5, 0), Action::kDrop, kTruncated},
        {"fragment header", set(6, 44), Action::kDrop, kFragment},
        {"no next header", set(6, 59), Action::kDrop, kUnsupportedProtocol},
        {"a TCP segment that claims to be ICMPv6", set(6, 58), Action::kDrop, kBadIcmpChecksum},
        {"ESP", set(6, 50), Action::kDrop, kUnsupportedProtocol},
    };
    for (const unsigned next : {0U, 43U, 51U, 60U, 135U, 139U, 140U}) {
        cases.push_back({"extension header " + std::to_string(next),
                         set(6, next),
                         Action::kDrop,
                         kExtensionHeader});
    }
    expect_all(cases);
}

TEST(Classify, TransportHeadersThatCannotBe) {
    using enum DropReason;
    constexpr std::size_t kTcp = kIp + 20;
    constexpr std::size_t kUdp6 = kIp + 40;
    const auto with_total = [](unsigned total) {
        return changed_v4([total](Bytes& f) { f[kIp + 3] = static_cast<std::uint8_t>(total); });
    };
    const auto with_offset = [](unsigned words) {
        return changed(
            {}, [words](Bytes& f) { f[kTcp + 12] = static_cast<std::uint8_t>(words << 4U); });
    };
    const auto with_length = [](unsigned length) {
        return changed(kSpecUdp6,
                       [length](Bytes& f) { f[kUdp6 + 5] = static_cast<std::uint8_t>(length); });
    };
    expect_all({
        {"no TCP header at all", with_total(20), Action::kDrop, kTruncated},
        {"19 bytes of TCP", with_total(39), Action::kDrop, kTruncated},
        {"data offset 4", with_offset(4), Action::kDrop, kBadHeaderLength},
        {"data offset beyond the packet", with_offset(6), Action::kDrop, kTruncated},
        {"UDP length 7", with_length(7), Action::kDrop, kBadHeaderLength},
        {"UDP length 8", with_length(8), Action::kTransmit},
        {"UDP length as it is", with_length(40), Action::kTransmit},
        {"UDP length of one byte more", with_length(41), Action::kDrop, kTruncated},
        {"7 bytes of UDP",
         changed(kSpecUdp6, [](Bytes& f) { f[kIp + 5] = 7; }),
         Action::kDrop,
         kTruncated},
    });
}

TEST(Classify, AVipWithoutSuchAPortHasNoService) {
    using enum DropReason;
    expect_all({
        {"port", make_frame({.destination_port = 444}), Action::kDrop, kNoService},
        {"protocol", make_frame({.protocol = 17}), Action::kDrop, kNoService},
        {"port 0, as the VIP's mark has",
         make_frame({.destination_port = 0}),
         Action::kDrop,
         kNoService},
    });
}

TEST(Classify, TellsTheFlowAndItsEvent) {
    LendingRig rig;
    const auto facts_of = [&rig](const Bytes& frame) {
        Bytes bytes = frame;
        const Packet packet{bytes.data(), static_cast<std::uint32_t>(bytes.size()), 0};
        PacketFacts facts;
        Verdict verdict;
        classify_burst(rig.context.snapshot,
                       *rig.context.flows,
                       Ingress{OwnMac(rig.context.snapshot, PortIndex{0})},
                       {&packet, 1},
                       {&facts, 1},
                       {&verdict, 1});
        return facts;
    };
    const auto event_of = [&facts_of](std::uint8_t flags) {
        return fairlead::event_of(facts_of(make_frame({.flags = flags})));
    };
    EXPECT_EQ(event_of(kTcpSyn), FlowEvent::kOpen);
    EXPECT_EQ(event_of(kTcpSyn | 0xC0), FlowEvent::kOpen) << "ECN";
    EXPECT_EQ(event_of(kTcpSyn | kTcpAck), FlowEvent::kAcknowledge);
    EXPECT_EQ(event_of(kTcpAck), FlowEvent::kAcknowledge);
    EXPECT_EQ(event_of(0), FlowEvent::kAcknowledge);
    EXPECT_EQ(event_of(kTcpAck | kTcpFin), FlowEvent::kClose);
    EXPECT_EQ(event_of(kTcpRst), FlowEvent::kClose);
    EXPECT_EQ(event_of(kTcpSyn | kTcpFin), FlowEvent::kClose);
    const auto event_of_content = [&facts_of](std::uint8_t flags) {
        return fairlead::event_of(facts_of(make_frame({.flags = flags, .payload_bytes = 1})));
    };
    EXPECT_EQ(event_of_content(kTcpAck), FlowEvent::kData);
    EXPECT_EQ(event_of_content(kTcpAck | 0x28), FlowEvent::kData) << "push and urgent";
    EXPECT_EQ(event_of_content(kTcpSyn), FlowEvent::kOpen) << "fast open";
    EXPECT_EQ(event_of_content(kTcpAck | kTcpFin), FlowEvent::kClose);
    Bytes padded = make_frame({.flags = kTcpAck});
    padded.resize(60);
    EXPECT_EQ(fairlead::event_of(facts_of(padded)), FlowEvent::kAcknowledge)
        << "Ethernet padding is no content";

    const PacketFacts facts = facts_of(make_frame({.payload_bytes = 3}));
    ASSERT_NE(facts.service, nullptr);
    EXPECT_EQ(facts.service->id, testing::kPortal);
    EXPECT_EQ(facts.ip_bytes, 43U);
    EXPECT_EQ(facts.frame_bytes, 57U);
    EXPECT_EQ(facts.hash,
              flow_hash_v4(LendingRig::kSeed,
                           testing::address("198.51.100.7").v4(),
                           testing::address("203.0.113.10").v4(),
                           {Be16::from_host(40'000), Be16::from_host(443), 6}));
    const PacketFacts facts6 = facts_of(make_frame(kSpecUdp6));
    EXPECT_EQ(facts6.event, FlowEvent::kDatagram);
    EXPECT_EQ(facts6.hash,
              flow_hash_v6(LendingRig::kSeed,
                           testing::address("2001:db8:1::7").bytes(),
                           testing::address("2001:db8::11").bytes(),
                           {Be16::from_host(40'000), Be16::from_host(514), 17}));
}

TEST(Classify, WhereThePortsAddressIsNotKnownWhatIsToNoGroupIsAddressedToIt) {
    LendingRig rig;
    rig.tables.port(0).mac = {};
    rig.start();
    Bytes frame = make_frame({});
    EXPECT_EQ(rig.forward(frame).verdict.action, Action::kTransmit);
    frame[5] = 0x77;
    EXPECT_EQ(rig.forward(frame).verdict.action, Action::kTransmit);
    frame[0] = 0x33;
    EXPECT_EQ(rig.forward(frame).verdict.action, Action::kKernel);
    std::fill_n(frame.begin(), 6, 0xFF);
    EXPECT_EQ(rig.forward(frame).verdict.action, Action::kKernel);
}

TEST(Classify, TheReceivingPortsAddressIsTheOneThatCounts) {
    LendingRig rig;
    rig.tables.snapshot().port_count = 2;
    rig.tables.port(1).mac = testing::mac("02:00:00:00:00:02");
    rig.start();
    Bytes frame = make_frame({});
    frame[5] = 2;
    EXPECT_EQ(rig.forward(frame).verdict.action, Action::kKernel);
    rig.context.receiving_port = PortIndex{1};
    EXPECT_EQ(rig.forward(frame).verdict.action, Action::kTransmit);
}

}  // namespace
}  // namespace fairlead
