// Clients that stay with a backend, where the packet table (tests/packet/key_rows.py) cannot look:
// several workers, and rings that change.
#include "dp/forward/path/ring_hash.h"

#include <array>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "dp/net/parse.h"
#include "tests/support/lending_rig.h"

namespace fairlead {
namespace {

using testing::address;
using testing::Bytes;
using testing::kNotify6;
using testing::kPortal;
using testing::LendingRig;
using testing::make_frame;

const testing::ServiceKey kPortalKey{address("203.0.113.10"), 443, kProtocolTcp};

// The ring that the rig gives a service: its two backends in turn.
std::array<std::uint16_t, 251> ring_of_two(unsigned service) {
    std::array<std::uint16_t, 251> ring{};
    for (std::size_t slot = 0; slot < ring.size(); ++slot) {
        ring[slot] = static_cast<std::uint16_t>(std::size_t{2} * service + slot % 2);
    }
    return ring;
}

// Portal's clients stay, by this many bits of their addresses.
struct Bound : LendingRig {
    explicit Bound(std::uint8_t bits) {
        tables
            .add_service(
                kPortalKey, shm::ForwardingMode::kL2, kPortal, 0, ring_of_two(to_number(kPortal)))
            .source_prefix_bits = bits;
    }
    unsigned backend_of(const std::string& source,
                        std::uint16_t source_port,
                        std::uint8_t flags = kTcpSyn) {
        const Verdict verdict =
            forward(make_frame({.source = source, .source_port = source_port, .flags = flags}))
                .verdict;
        EXPECT_EQ(verdict.action, Action::kTransmit);
        return to_number(verdict.backend);
    }
};

std::string client(unsigned number) {
    return "198.51." + std::to_string(number / 256) + "." + std::to_string(number % 256);
}

TEST(RingHash, AClientHasOneBackendAndClientsSpread) {
    Bound rig(32);
    unsigned first = 0;
    for (unsigned number = 0; number < 1'000; ++number) {
        std::set<unsigned> backends;
        for (std::uint16_t port = 1'024; port < 1'032; ++port) {
            backends.insert(rig.backend_of(client(number), port));
        }
        ASSERT_EQ(backends.size(), 1U);
        first += *backends.begin() == 0 ? 1U : 0U;
    }
    EXPECT_NEAR(first, 500, 80);
    EXPECT_GT(rig.flows->entry_count(), 0U) << "each flow is tracked by itself";
}

TEST(RingHash, APrefixHasOneBackend) {
    Bound rig(24);
    std::map<unsigned, std::set<unsigned>> of_prefix;
    for (unsigned number = 0; number < 256 * 40; number += 37) {
        of_prefix[number / 256].insert(rig.backend_of(client(number), 1'024));
    }
    std::set<unsigned> all;
    for (const auto& [prefix, backends] : of_prefix) {
        EXPECT_EQ(backends.size(), 1U) << prefix;
        all.insert(backends.begin(), backends.end());
    }
    EXPECT_EQ(all.size(), 2U);
}

TEST(RingHash, ATrackedFlowStaysWhenTheRingMovesItsClient) {
    Bound rig(32);
    const unsigned before = rig.backend_of("198.51.100.7", 40'000);
    (void)rig.backend_of("198.51.100.7", 40'000, kTcpAck);
    std::array<std::uint16_t, 251> ring{};
    ring.fill(static_cast<std::uint16_t>(1 - before));
    rig.tables.add_service(kPortalKey, shm::ForwardingMode::kL2, kPortal, 0, ring);
    EXPECT_EQ(rig.backend_of("198.51.100.7", 40'000, kTcpAck), before);
    EXPECT_EQ(rig.backend_of("198.51.100.7", 40'001), 1 - before);
}

TEST(RingHash, AnotherWorkerChoosesTheSame) {
    Bound one(32);
    Bound other(32);
    for (unsigned number = 0; number < 100; ++number) {
        const auto port = static_cast<std::uint16_t>(1'024 + number);
        EXPECT_EQ(one.backend_of(client(number), port), other.backend_of(client(number), 40'000));
    }
}

TEST(RingHash, ImpossibleNumbersOfBitsCountAsAll) {
    for (const std::uint8_t bits : {std::uint8_t{33}, std::uint8_t{128}, std::uint8_t{255}}) {
        Bound whole(32);
        Bound scribbled(bits);
        for (unsigned number = 0; number < 50; ++number) {
            EXPECT_EQ(whole.backend_of(client(number), 1'024),
                      scribbled.backend_of(client(number), 1'024));
        }
    }
}

TEST(RingHash, Ipv6ClientsOfOneNetworkStayTogether) {
    LendingRig rig;
    rig.tables
        .add_service({address("2001:db8::11"), 514, kProtocolUdp},
                     shm::ForwardingMode::kIpip,
                     kNotify6,
                     to_number(kNotify6),
                     ring_of_two(to_number(kNotify6)))
        .source_prefix_bits = 64;
    std::set<unsigned> all;
    for (unsigned network = 0; network < 64; ++network) {
        std::set<unsigned> backends;
        for (const char* const host : {"1", "2:3:4:5", "ffff:ffff:ffff:ffff"}) {
            const std::string source =
                "2001:db8:1:" + std::to_string(network) + (host[1] == '\0' ? "::" : ":") + host;
            const Verdict verdict = rig.forward(make_frame({.source = source,
                                                            .destination = "2001:db8::11",
                                                            .destination_port = 514,
                                                            .protocol = kProtocolUdp}))
                                        .verdict;
            ASSERT_EQ(verdict.service, kNotify6);
            backends.insert(to_number(verdict.backend));
        }
        EXPECT_EQ(backends.size(), 1U) << network;
        all.insert(backends.begin(), backends.end());
    }
    EXPECT_EQ(all.size(), 2U);
}

}  // namespace
}  // namespace fairlead
