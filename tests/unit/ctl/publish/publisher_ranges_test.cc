// Services of port ranges and of any port through the publisher.
#include <map>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "dp/shm/snapshot.h"
#include "tests/unit/ctl/publish/publisher_fixture.h"

namespace fairlead::publish {
namespace {

using PublisherRangesTest = PublisherTest;

// Of portal's VIP, with a backend of its own.
DesiredService portal_ports(const char* name,
                            std::uint16_t port,
                            std::uint16_t last_port,
                            std::uint8_t protocol = IPPROTO_TCP) {
    DesiredService service = make_tables(1).services[0];
    service.name = name;
    service.port = port;
    service.last_port = last_port;
    service.protocol = protocol;
    return service;
}

TEST_F(PublisherRangesTest, RangesAndAnyPortAreFoundBesideExactOnes) {
    Publisher& publisher = start();
    DesiredTables tables = make_tables(1);
    tables.services.push_back(portal_ports("high", 9'000, 9'999));
    tables.services.push_back(portal_ports("low", 400, 500));
    tables.services.push_back(portal_ports("low-udp", 450, 550, IPPROTO_UDP));
    tables.services.push_back(portal_ports("rest", 0, 0));
    tables.services.push_back(portal_ports("elsewhere", 400, 500));
    tables.services.back().vip = *IpAddress::parse("2001:db8::10");
    tables.services[2].source_prefix_bits = 24;
    const auto published = publisher.publish(tables);
    ASSERT_TRUE(published) << published.error().message;
    const auto engine = reader();
    const auto found = [&](std::uint16_t port, std::uint8_t protocol, const char* vip) {
        const shm::ServiceRecord* const record =
            engine.snapshot().find_service(*IpAddress::parse(vip), Be16::from_host(port), protocol);
        for (const DesiredService& service : tables.services) {
            if (record != nullptr && record->id == publisher.service_id(service.name)) {
                EXPECT_EQ(record->source_prefix_bits, service.source_prefix_bits);
                EXPECT_EQ(engine.ring(*record).size(), shm::kRingEntries);
                return service.name;
            }
        }
        return std::string();
    };
    const char* const vip = "203.0.113.10";
    EXPECT_EQ(found(443, IPPROTO_TCP, vip), "portal");
    EXPECT_EQ(found(400, IPPROTO_TCP, vip), "low");
    EXPECT_EQ(found(500, IPPROTO_TCP, vip), "low");
    EXPECT_EQ(found(9'999, IPPROTO_TCP, vip), "high");
    EXPECT_EQ(found(501, IPPROTO_TCP, vip), "rest");
    EXPECT_EQ(found(550, IPPROTO_UDP, vip), "low-udp");
    EXPECT_EQ(found(449, IPPROTO_UDP, vip), "");
    EXPECT_EQ(found(450, IPPROTO_TCP, "2001:db8::10"), "elsewhere");
    EXPECT_EQ(found(501, IPPROTO_TCP, "2001:db8::10"), "");

    EXPECT_EQ(publisher.publish(tables)->generation, published->generation)
        << "the same again changes nothing";
    tables.services[1].last_port = 9'998;
    EXPECT_GT(publisher.publish(tables)->generation, published->generation);
    EXPECT_EQ(reader()
                  .snapshot()
                  .find_service(tables.services[0].vip, Be16::from_host(9'999), IPPROTO_TCP)
                  ->id,
              *publisher.service_id("rest"));
}

TEST_F(PublisherRangesTest, RangesThatShareAPortAreRefusedByName) {
    Publisher& publisher = start();
    for (const auto& [first, last] : {std::pair{500, 600}, {300, 400}, {1, 65'535}, {450, 451}}) {
        DesiredTables tables = make_tables(1);
        tables.services.push_back(portal_ports("low", 400, 500));
        tables.services.push_back(portal_ports(
            "other", static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)));
        const auto refused = publisher.publish(tables);
        ASSERT_FALSE(refused) << first;
        EXPECT_NE(refused.error().message.find("\"low\""), std::string::npos);
        EXPECT_NE(refused.error().message.find("\"other\""), std::string::npos);
        tables.services.back().protocol = IPPROTO_UDP;
        EXPECT_TRUE(publisher.publish(tables)) << first;
    }
    DesiredTables tables = make_tables(1);
    tables.services.push_back(portal_ports("any", 0, 0));
    tables.services.push_back(portal_ports("any-too", 0, 0));
    EXPECT_FALSE(publisher.publish(tables));
}

TEST_F(PublisherRangesTest, TheNextDaemonKnowsServicesOfRanges) {
    DesiredTables tables = make_tables(2);
    tables.services.push_back(portal_ports("low", 400, 500));
    tables.services.push_back(portal_ports("rest", 0, 0));
    Publisher& first = start();
    ASSERT_TRUE(first.publish(tables));
    std::map<std::string, std::pair<ServiceId, std::uint32_t>> before;
    for (const DesiredService& service : tables.services) {
        before[service.name] = {*first.service_id(service.name), first.fingerprint(service.name)};
    }
    Publisher& second = start();
    const std::uint64_t generation = second.generation();
    for (const DesiredService& service : tables.services) {
        ASSERT_TRUE(second.service_id(service.name)) << service.name;
        EXPECT_EQ(std::pair(*second.service_id(service.name), second.fingerprint(service.name)),
                  before[service.name]);
    }
    EXPECT_EQ(second.publish(tables)->generation, generation) << "the same again moves nothing";
    EXPECT_EQ(second.moved_entries("low"), 0U);
}

TEST_F(PublisherRangesTest, ThousandsOfRangesFitAndAreFound) {
    Publisher& publisher = start();
    DesiredTables tables = make_tables(0);
    tables.services.clear();
    for (std::uint32_t i = 0; i < shm::kMaxServices; ++i) {
        const auto first = static_cast<std::uint16_t>(1 + 15 * (i % 4'000));
        DesiredService service =
            portal_ports("", first, static_cast<std::uint16_t>(first + 9), i < 4'000 ? 6 : 17);
        service.name = "s" + std::to_string(i);
        service.backends.clear();
        tables.services.push_back(service);
    }
    const auto published = publisher.publish(tables);
    ASSERT_TRUE(published) << published.error().message;
    const auto engine = reader();
    const shm::Snapshot snapshot = engine.snapshot();
    for (const DesiredService& service : tables.services) {
        for (const int port : {int{service.port}, service.port + 5, int{service.last_port}}) {
            const auto* const found = snapshot.find_service(
                service.vip, Be16::from_host(static_cast<std::uint16_t>(port)), service.protocol);
            ASSERT_NE(found, nullptr);
            ASSERT_EQ(found->id, *publisher.service_id(service.name));
        }
        ASSERT_EQ(snapshot.find_service(
                      service.vip,
                      Be16::from_host(static_cast<std::uint16_t>(service.last_port + 1)),
                      service.protocol),
                  nullptr);
    }
}

}  // namespace
}  // namespace fairlead::publish
