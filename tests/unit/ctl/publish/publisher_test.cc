#include "ctl/publish/publisher.h"

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dp/shm/snapshot.h"
#include "tests/unit/ctl/publish/publisher_fixture.h"

namespace fairlead::publish {
namespace {

TEST_F(PublisherTest, AVipAnswersIfOneServiceOnItWouldAndRejectsIfOneDoes) {
    Publisher& publisher = start();
    DesiredTables tables = make_tables(1);
    DesiredService other = tables.services[0];
    other.name = "other";
    other.port = 80;
    other.backends.clear();
    tables.services.push_back(other);
    const auto policy = [&] {
        EXPECT_TRUE(publisher.publish(tables));
        return reader().snapshot().find(other.vip, Be16{}, shm::kVipMark)->vip_policy;
    };
    EXPECT_EQ(policy(), shm::kAnswersEcho) << "portal has a backend";
    tables.services[0].backends[0].ring_weight = 0;
    EXPECT_EQ(policy(), 0) << "no ring has a backend";
    tables.services[1].echo = EchoPolicy::kAlways;
    EXPECT_EQ(policy(), shm::kAnswersEcho);
    tables.services[0].backends[0].ring_weight = 1;
    tables.services[0].echo = EchoPolicy::kNever;
    tables.services[1].echo = EchoPolicy::kWhenUp;
    tables.services[1].rejects_unmatched = true;
    EXPECT_EQ(policy(), shm::kRejectsUnmatched) << "the service that would answer has no backend";
}

TEST_F(PublisherTest, WhatIsPublishedIsWhatTheEngineFinds) {
    Publisher& publisher = start();
    const DesiredTables tables = make_tables(3);
    const auto generation = publisher.publish(tables);
    ASSERT_TRUE(generation) << generation.error().message;
    EXPECT_EQ(generation->generation, 1U);

    const shm::TablesReader engine = reader();
    EXPECT_EQ(engine.generation(), 1U);
    const shm::Snapshot snapshot = engine.snapshot();
    ASSERT_FALSE(snapshot.is_empty());
    EXPECT_EQ(snapshot.flow_hash_seed, 42U);
    EXPECT_EQ(snapshot.port_count, 1U);
    const IpAddress vip = *IpAddress::parse("203.0.113.10");
    EXPECT_NE(snapshot.find(vip, Be16{}, shm::kVipMark), nullptr);
    EXPECT_EQ(snapshot.find(vip, Be16::from_host(80), IPPROTO_TCP), nullptr);
    EXPECT_EQ(snapshot.find(vip, Be16::from_host(443), IPPROTO_UDP), nullptr);

    const std::map<std::uint16_t, int> slots = owners(tables.services[0]);
    ASSERT_EQ(slots.size(), 3U);
    for (const auto& [index, count] : slots) {
        EXPECT_NEAR(count, 65'537.0 / 3, 1);
        const shm::BackendRecord& record = *engine.backend(BackendIndex{index});
        const shm::BackendWord now(record.word.load());
        EXPECT_TRUE(now.has(shm::BackendWord::kPublished) && now.has(shm::BackendWord::kLinked));
        EXPECT_EQ(record.service, *publisher.service_id("portal"));
        EXPECT_EQ(now.mac().bytes[5], record.address.bytes()[15]);
    }
}

TEST_F(PublisherTest, ATunnelPrefixLeavesTheFlowHashTheBitsBehindIt) {
    Publisher& publisher = start();
    DesiredTables tables = make_tables(1);
    const auto port_with = [&](const char* prefix, std::uint8_t length) {
        tables.ports[0].tunnel_prefix = {*IpAddress::parse(prefix), length};
        EXPECT_TRUE(publisher.publish(tables));
        return reader().snapshot().header->ports[0];
    };
    shm::PortRecord port = port_with("10.77.0.0", 16);
    EXPECT_EQ(port.entropy_bits_v4, 16);
    EXPECT_EQ(port.entropy_bits_v6, 0);
    EXPECT_EQ(port.tunnel_prefix_v4, Be32::from_host(0x0A4D'0000));
    port = port_with("10.77.1.4", 30);
    EXPECT_EQ(port.entropy_bits_v4, 2) << "a changed port is a new snapshot";
    port = port_with("fd00:1:2:3::", 64);
    EXPECT_EQ(port.entropy_bits_v4, 0);
    EXPECT_EQ(port.entropy_bits_v6, 32) << "never more than half of the hash";
    EXPECT_EQ(port.tunnel_prefix_v6[0], Be32::from_host(0xFD00'0001));
    EXPECT_EQ(port.tunnel_prefix_v6[1], Be32::from_host(0x0002'0003));
    EXPECT_EQ(port.tunnel_prefix_v6[2], Be32{});
}

TEST_F(PublisherTest, APortsVlanReachesTheEngine) {
    Publisher& publisher = start();
    DesiredTables tables = make_tables(1);
    EXPECT_TRUE(publisher.publish(tables));
    EXPECT_FALSE(reader().snapshot().has_vlans);
    tables.ports[0].vlan = 4'094;
    EXPECT_TRUE(publisher.publish(tables));
    EXPECT_TRUE(reader().snapshot().has_vlans);
    EXPECT_EQ(reader().snapshot().header->ports[0].vlan, 4'094);
}

TEST_F(PublisherTest, APortsVirtualMacsReachTheEngineAndLeaveItAgain) {
    Publisher& publisher = start();
    DesiredTables tables = make_tables(1);
    EXPECT_TRUE(publisher.publish(tables));
    EXPECT_EQ(reader().snapshot().header->virtual_macs[0], VirtualMacs{});
    tables.ports[0].virtual_macs.add({{0, 0, 0x5E, 0, 1, 51}});
    for (int again = 0; again < 2; ++again) {
        EXPECT_TRUE(publisher.publish(tables));
        EXPECT_EQ(reader().generation(), 2U);
        EXPECT_EQ(reader().snapshot().header->virtual_macs[0], tables.ports[0].virtual_macs);
        EXPECT_EQ(reader().snapshot().header->virtual_macs[1], VirtualMacs{});
    }
    tables.ports[0].virtual_macs = {};
    EXPECT_TRUE(publisher.publish(tables));
    EXPECT_EQ(reader().snapshot().header->virtual_macs[0], VirtualMacs{});
}

TEST_F(PublisherTest, PublishingTheSameAgainChangesNothing) {
    Publisher& publisher = start();
    ASSERT_TRUE(publisher.publish(make_tables(3)));
    const auto again = publisher.publish(make_tables(3));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->generation, 1U);
    EXPECT_EQ(publisher.moved_entries("portal"), 65'537U);
}

TEST_F(PublisherTest, AChangedFlagChangesTheWordInPlaceAndNoGeneration) {
    Publisher& publisher = start();
    DesiredTables tables = make_tables(2);
    ASSERT_TRUE(publisher.publish(tables));
    tables.services[0].backends[0].keeps_flows = false;
    tables.services[0].backends[1].is_taken_out = true;
    tables.services[0].backends[1].link->mac.bytes[5] = 77;
    EXPECT_EQ(publisher.publish(tables)->generation, 1U);
    const auto first = publisher.placement("portal", "app-1", make_backend(1).address);
    const auto second = publisher.placement("portal", "app-2", make_backend(2).address);
    EXPECT_FALSE(word(to_number(first->index)).has(shm::BackendWord::kKeepsFlows));
    EXPECT_FALSE(word(to_number(first->index)).has(shm::BackendWord::kTakenOut));
    EXPECT_TRUE(word(to_number(second->index)).has(shm::BackendWord::kTakenOut));
    EXPECT_EQ(word(to_number(second->index)).mac().bytes[5], 77);
}

TEST_F(PublisherTest, APathMtuChangesInPlaceAndNoGeneration) {
    Publisher& publisher = start();
    DesiredTables tables = make_tables(2);
    ASSERT_TRUE(publisher.publish(tables));
    EXPECT_EQ(reader().backend(BackendIndex{1})->path_mtu_bytes.load(), shm::kNoPathMtu);
    tables.services[0].backends[1].path_mtu_bytes = 1'400;
    EXPECT_EQ(publisher.publish(tables)->generation, 1U);
    EXPECT_EQ(reader().backend(BackendIndex{0})->path_mtu_bytes.load(), shm::kNoPathMtu);
    EXPECT_EQ(reader().backend(BackendIndex{1})->path_mtu_bytes.load(), 1'400U);
}

TEST_F(PublisherTest, ALinkThatIsNotKnownAnyMoreStaysUnlessItIsLost) {
    Publisher& publisher = start();
    DesiredTables tables = make_tables(1);
    ASSERT_TRUE(publisher.publish(tables));
    tables.services[0].backends[0].link.reset();
    ASSERT_TRUE(publisher.publish(tables));
    const auto place = publisher.placement("portal", "app-1", make_backend(1).address);
    EXPECT_TRUE(word(to_number(place->index)).has(shm::BackendWord::kLinked));
    EXPECT_EQ(word(to_number(place->index)).mac().bytes[5], 1);
    tables.services[0].backends[0].is_link_lost = true;
    ASSERT_TRUE(publisher.publish(tables));
    EXPECT_FALSE(word(to_number(place->index)).has(shm::BackendWord::kLinked));
}

TEST_F(PublisherTest, AWorkerThatHangsBlocksReuseAndIsNamed) {
    Publisher& publisher = start();
    DesiredTables tables = make_tables(2);
    worker_.acknowledged = 1;
    std::uint64_t last = 0;
    std::string refusal;
    for (std::uint32_t weight = 1; weight < 100 && refusal.empty(); ++weight) {
        tables.services[0].backends[0].ring_weight = weight;
        const auto published = publisher.publish(tables);
        if (published) {
            last = published->generation;
        } else {
            refusal = published.error().message;
        }
    }
    EXPECT_EQ(last, shm::kSnapshotSlots) << "every snapshot slot is used once, none twice";
    EXPECT_NE(refusal.find("worker 7 on CPU 3"), std::string::npos) << refusal;
    // Nothing of the refused change is in force, and the worker's next acknowledgement frees the
    // slots.
    worker_.acknowledged = publisher.generation();
    EXPECT_TRUE(publisher.publish(tables));
}

TEST_F(PublisherTest, AnIndexIsReusedOnlyAfterTwoAcknowledgementsAndThenWithANewIncarnation) {
    Publisher& publisher = start();
    DesiredTables with = make_tables(2);
    DesiredTables without = make_tables(1);
    ASSERT_TRUE(publisher.publish(with));
    const auto gone = publisher.placement("portal", "app-2", make_backend(2).address);
    const std::uint32_t incarnation = word(to_number(gone->index)).incarnation();

    worker_.acknowledged = 1;
    ASSERT_TRUE(publisher.publish(without));
    EXPECT_TRUE(word(to_number(gone->index)).has(shm::BackendWord::kPublished))
        << "a worker may still hold the ring that names it";
    worker_.acknowledged = publisher.generation();
    ASSERT_TRUE(publisher.publish(without));
    EXPECT_FALSE(word(to_number(gone->index)).has(shm::BackendWord::kPublished));

    // Fresh indices come first; when they are used up, the one that left comes back.
    std::set<std::uint16_t> indices;
    for (int number = 10; number < 10 + static_cast<int>(shm::kMaxBackends); ++number) {
        DesiredTables next = make_tables(1);
        next.services[0].backends.push_back(make_backend(number, 0));
        worker_.acknowledged = publisher.generation();
        ASSERT_TRUE(publisher.publish(next)) << number;
        const auto place = publisher.placement(
            "portal", "app-" + std::to_string(number), make_backend(number).address);
        if (place->index == gone->index) {
            EXPECT_EQ(word(to_number(gone->index)).incarnation(), incarnation + 1);
            return;
        }
    }
    FAIL() << "the index never came back";
}

TEST_F(PublisherTest, TheNextDaemonGoesOnFromWhatStandsThere) {
    DesiredTables tables = make_tables(3);
    tables.services[0].backends[1].health = 4;
    tables.services[0].backends[1].health_since_ns = 123;
    tables.services[0].backends[1].keeps_flows = false;
    std::map<std::string, BackendIndex> before;
    std::uint32_t fingerprint = 0;
    {
        Publisher& first = start();
        ASSERT_TRUE(first.publish(tables));
        for (const DesiredBackend& backend : tables.services[0].backends) {
            before[backend.name] = first.placement("portal", backend.name, backend.address)->index;
        }
        fingerprint = first.fingerprint("portal");
    }
    Publisher& second = start();
    EXPECT_EQ(second.fingerprint("portal"), fingerprint);
    bool found = false;
    for (const KnownBackend& known : second.known().backends) {
        found =
            found || (known.name == "app-2" && known.health == 4 && known.health_since_ns == 123);
        EXPECT_EQ(known.keeps_flows, known.name != "app-2");
    }
    EXPECT_TRUE(found);
    const std::uint64_t generation = second.generation();
    EXPECT_EQ(second.publish(tables)->generation, generation) << "the same again moves nothing";
    EXPECT_EQ(second.moved_entries("portal"), 0U);
    for (const DesiredBackend& backend : tables.services[0].backends) {
        EXPECT_EQ(second.placement("portal", backend.name, backend.address)->index,
                  before[backend.name]);
    }
}

TEST_F(PublisherTest, ANewServiceWhoseFirstDaemonDiedBeforeTheRootWorksUnderTheNext) {
    DesiredTables before = make_tables(1);
    DesiredTables after = before;
    after.services.push_back(after.services[0]);
    after.services[1].name = "api";
    after.services[1].port = 80;
    Publisher& first = start();
    ASSERT_TRUE(first.publish(before));
    std::uint32_t old_root = 0;
    {
        const auto segment = shm::Segment::open_read_only(shm::kTables, directory_.path()).value();
        old_root = segment.header<shm::TablesHeader>().root.load();
    }
    ASSERT_TRUE(first.publish(after));
    publisher_.reset();
    {  // as if it had died between the records of the backends and the root
        shm::Segment file = shm::Segment::open_writer(shm::kTables, directory_.path()).value();
        file.header<shm::TablesHeader>().root.store(old_root);
    }
    Publisher& second = start();
    ASSERT_TRUE(second.publish(after));
    for (const auto& [index, slots] : owners(after.services[1])) {
        EXPECT_EQ(reader().backend(BackendIndex{index})->service, *second.service_id("api"));
    }
}

TEST_F(PublisherTest, TwoDaemonsOnOneRunDirectoryAreRefused) {
    start();
    const auto second = Publisher::open(directory_.path(), "test", worker_, counters_);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find("another lbd runs"), std::string::npos)
        << second.error().message;
}

TEST_F(PublisherTest, ATablesFileOfAnotherLayoutIsRefusedWhileAnEngineMayHoldIt) {
    start();
    publisher_.reset();
    {
        shm::Segment file = shm::Segment::open_writer(shm::kTables, directory_.path()).value();
        file.header<shm::TablesHeader>().segment.fingerprint ^= 1U;
    }
    worker_.acknowledged = 5;  // an engine lives
    const auto refused = Publisher::open(directory_.path(), "test", worker_, counters_);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("layout"), std::string::npos) << refused.error().message;
    EXPECT_NE(refused.error().message.find("restart lbdp"), std::string::npos)
        << refused.error().message;
    worker_.acknowledged = std::numeric_limits<std::uint64_t>::max();
    EXPECT_TRUE(Publisher::open(directory_.path(), "test", worker_, counters_));
}

TEST_F(PublisherTest, ATablesFileThatSaysNothingIsReplacedAlsoUnderAnEngine) {
    const std::string path = directory_.path() + "/tables";
    for (const std::uintmax_t bytes : {0U, 10U}) {
        start();
        publisher_.reset();
        std::filesystem::resize_file(path, bytes);
        worker_.acknowledged = 5;  // an engine lives
        const auto opened = Publisher::open(directory_.path(), "test", worker_, counters_);
        EXPECT_TRUE(opened) << opened.error().message;
    }
    std::filesystem::remove(path);
    std::filesystem::create_directory(path);
    const auto opened = Publisher::open(directory_.path(), "test", worker_, counters_);
    EXPECT_TRUE(opened) << opened.error().message;
}

TEST_F(PublisherTest, ATablesFileOfAnotherLayoutIsReplacedUnderAnEngineThatWaitsForOne) {
    start();
    publisher_.reset();
    make_layout_another();
    worker_.acknowledged = 0;
    worker_.is_waiting = true;
    EXPECT_TRUE(Publisher::open(directory_.path(), "test", worker_, counters_));
}

TEST_F(PublisherTest, ServicesThatCannotBeToldApartAreRefusedWhole) {
    Publisher& publisher = start();
    DesiredTables tables = make_tables(1);
    ASSERT_TRUE(publisher.publish(tables));
    tables.services.push_back(tables.services[0]);
    tables.services[1].name = "other";
    tables.services[0].backends.push_back(make_backend(9));
    EXPECT_FALSE(publisher.publish(tables));
    EXPECT_EQ(owners(tables.services[0]).size(), 1U);
}

TEST_F(PublisherTest, AServiceOfAnotherNameIsTheSameOneByItsKey) {
    start();
    DesiredTables tables = make_tables(3);
    ASSERT_TRUE(publisher_->publish(tables));
    const auto before = publisher_->placement("portal", "app-2", make_backend(2).address);
    const auto id = publisher_->service_id("portal");
    const auto ring = owners(tables.services[0]);
    for (const char* const name : {"website", "another", "aaa"}) {
        tables.services[0].name = name;
        if (name == std::string("another")) {
            start();  // also a daemon that finds another name in its file
        }
        const std::uint64_t generation = publisher_->generation();
        const auto published = publisher_->publish(tables);
        ASSERT_TRUE(published) << published.error().message;
        EXPECT_EQ(published->generation, generation) << "nothing has changed for the engine";
        EXPECT_EQ(publisher_->service_id(name), id);
        const auto now = publisher_->placement(name, "app-2", make_backend(2).address);
        ASSERT_TRUE(now);
        EXPECT_EQ(now->index, before->index);
        EXPECT_EQ(owners(tables.services[0]), ring);
    }
    EXPECT_FALSE(publisher_->service_id("portal"));
    // A refused change has renamed nothing.
    worker_.acknowledged = publisher_->generation();
    DesiredTables refused = tables;
    do {
        ++refused.services[0].backends[0].ring_weight;
    } while (publisher_->publish(refused));
    refused.services[0].name = "refused";
    ASSERT_FALSE(publisher_->publish(refused));
    EXPECT_EQ(publisher_->service_id("aaa"), id);
    EXPECT_TRUE(publisher_->placement("aaa", "app-2", make_backend(2).address));
    EXPECT_EQ(start().known().services.at(0).name, "aaa");
    EXPECT_EQ(publisher_->known().backends.size(), 3U);
}

TEST_F(PublisherTest, ThousandsOfServicesAreAllFoundWithinTheBoundedProbe) {
    Publisher& publisher = start();
    DesiredTables tables = make_tables(0);
    tables.services.clear();
    for (std::uint32_t i = 0; i < shm::kMaxServices; ++i) {
        DesiredService service;
        service.name = "s" + std::to_string(i);
        service.vip = IpAddress::from_v4(Be32::from_host(0xCB00'7100U + i % 256));
        service.port = static_cast<std::uint16_t>(1000 + i / 256);
        service.protocol = IPPROTO_UDP;
        tables.services.push_back(service);
    }
    const auto published = publisher.publish(tables);
    ASSERT_TRUE(published) << published.error().message;
    const shm::Snapshot snapshot = reader().snapshot();
    for (const DesiredService& service : tables.services) {
        ASSERT_NE(snapshot.find(service.vip, Be16::from_host(service.port), IPPROTO_UDP), nullptr);
    }
}

TEST_F(PublisherTest, AReusedIndexStartsItsCountersAtTheBaseline) {
    counters_.now = {.instance = 9, .packets = 100, .bytes = 2000, .new_flows = 7};
    Publisher& publisher = start();
    ASSERT_TRUE(publisher.publish(make_tables(1)));
    const auto place = publisher.placement("portal", "app-1", make_backend(1).address);
    EXPECT_EQ(place->baseline.instance, 9U);
    EXPECT_EQ(place->baseline.packets, 100U);
    EXPECT_EQ(place->baseline.new_flows, 7U);
}

}  // namespace
}  // namespace fairlead::publish
