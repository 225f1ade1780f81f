// The flow hash against vectors of the Python oracle, and the properties that the tables stand on.
#include "bpf/abi/flow_hash.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dp/net/big_endian.h"
#include "dp/net/ip_address.h"

extern "C" {  // flow_hash_c.c
std::uint64_t flow_hash_v4_in_c(std::uint64_t seed,
                                std::uint32_t saddr,
                                std::uint32_t daddr,
                                std::uint16_t sport,
                                std::uint16_t dport);
std::uint64_t flow_hash_v6_in_c(std::uint64_t seed,
                                const std::uint8_t* saddr,
                                const std::uint8_t* daddr,
                                std::uint16_t sport,
                                std::uint16_t dport);
}

namespace fairlead {
namespace {

constexpr std::uint64_t kSeed = 0x0123'4567'89ab'cdef;
constexpr std::uint32_t kRingSize = 65'537;

// A TCP flow to 203.0.113.10:443; the client in host order.
std::uint64_t client_hash(std::uint64_t seed, std::uint32_t address, std::uint16_t port) {
    return fl_flow_hash_v4(seed,
                           Be32::from_host(address).raw(),
                           Be32::from_host(0xCB00'710A).raw(),
                           Be16::from_host(port).raw(),
                           Be16::from_host(443).raw(),
                           6);
}

struct Vector {
    std::uint64_t seed;
    std::string source;
    std::string destination;
    std::uint16_t source_port;
    std::uint16_t destination_port;
    std::uint8_t protocol;
    std::uint64_t hash;
    std::uint32_t slot;
};

std::uint64_t hash_of(const Vector& vector) {
    const auto source = IpAddress::parse(vector.source).value();
    const auto destination = IpAddress::parse(vector.destination).value();
    const std::uint16_t source_port = Be16::from_host(vector.source_port).raw();
    const std::uint16_t destination_port = Be16::from_host(vector.destination_port).raw();
    if (source.is_v4()) {
        return fl_flow_hash_v4(vector.seed,
                               source.v4().raw(),
                               destination.v4().raw(),
                               source_port,
                               destination_port,
                               vector.protocol);
    }
    return fl_flow_hash_v6(vector.seed,
                           source.bytes().data(),
                           destination.bytes().data(),
                           source_port,
                           destination_port,
                           vector.protocol);
}

// Made by tests/oracle/flow_hash.py, which is written from the header's text.
TEST(FlowHash, EqualsTheOraclesVectors) {
    const std::vector<Vector> vectors = {
        {kSeed, "192.0.2.1", "203.0.113.10", 1024, 443, 6, 0xa054'7af4'b57b'0b92, 41045},
        {kSeed, "2001:db8::1", "2001:db8:0:1::10", 1024, 443, 6, 0xed72'387e'12f1'8f7c, 60787},
        {kSeed, "10.1.2.3", "10.1.2.4", 65535, 53, 17, 0x9d4c'f421'c668'a9ee, 40269},
        {kSeed,
         "fe80::ffff:1",
         "2001:db8:ffff:ffff::ffff",
         40000,
         8443,
         17,
         0x96a4'afc8'1ca7'3e0a,
         38565},
        {kSeed, "0.0.0.0", "0.0.0.0", 0, 0, 0, 0x1296'fd1b'5633'ee33, 4759},
        {0, "192.0.2.1", "203.0.113.10", 1024, 443, 6, 0x1e52'e19d'00a8'8144, 7762},
        {~0ULL, "2001:db8::1", "2001:db8:0:1::10", 1024, 443, 6, 0x6820'caae'dc5f'59c5, 26657},
        {~0ULL, "0.0.0.0", "0.0.0.0", 0, 0, 0, 0x80b5'83eb'80b5'83eb, 32950},
    };
    for (const Vector& vector : vectors) {
        const std::uint64_t hash = hash_of(vector);
        EXPECT_EQ(hash, vector.hash) << vector.source << " seed " << vector.seed;
        EXPECT_EQ(fl_ring_slot(hash, kRingSize), vector.slot) << vector.source;
        EXPECT_EQ(fl_flow_signature(hash), vector.hash >> 32U);
    }
}

TEST(FlowHash, IsTheSameInC) {
    std::array<std::uint8_t, 32> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::uint8_t>(i * 91 + 5);
    }
    EXPECT_EQ(flow_hash_v4_in_c(kSeed, 0x8182'8384, 0xC1C2'C3C4, 0x8586, 0xC5C6),
              fl_flow_hash_v4(kSeed, 0x8182'8384, 0xC1C2'C3C4, 0x8586, 0xC5C6, 6));
    EXPECT_EQ(flow_hash_v6_in_c(kSeed, bytes.data(), bytes.data() + 16, 0x8586, 0xC5C6),
              fl_flow_hash_v6(kSeed, bytes.data(), bytes.data() + 16, 0x8586, 0xC5C6, 17));
}

TEST(FlowHash, ReadsAddressesAtAnyAlignment) {
    std::array<std::uint8_t, 40> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::uint8_t>(i * 37);
    }
    std::array<std::uint8_t, 41> moved{};
    std::copy(bytes.begin(), bytes.end(), moved.begin() + 1);
    EXPECT_EQ(fl_flow_hash_v6(kSeed, bytes.data(), bytes.data() + 16, 1, 2, 6),
              fl_flow_hash_v6(kSeed, moved.data() + 1, moved.data() + 17, 1, 2, 6));
}

// How often each of 64 output bits flips over many samples, per changed input bit.
class FlipCounter {
  public:
    explicit FlipCounter(std::size_t input_bits) : flips_(input_bits) {}

    void add(std::size_t input_bit, std::uint64_t difference) {
        for (std::size_t bit = 0; bit < 64; ++bit) {
            flips_[input_bit][bit] += (difference >> bit) & 1U;
        }
    }
    // The furthest that any pair of bits is from flipping half of the time.
    [[nodiscard]] double worst(std::uint64_t samples) const {
        double worst = 0;
        for (const auto& row : flips_) {
            for (const std::uint64_t flips : row) {
                const double share = static_cast<double>(flips) / static_cast<double>(samples);
                worst = std::max(worst, std::abs(share - 0.5));
            }
        }
        return worst;
    }

  private:
    std::vector<std::array<std::uint64_t, 64>> flips_;
};

constexpr std::uint64_t kSamples = 20'000;
// Chance alone reaches 0.019 in the worst of 104 x 64 cells: 5.3 standard deviations of
// 0.5 / sqrt(20,000). A hash of this form adds up to 0.06 for some seeds.
constexpr double kWorstBias = 0.08;

TEST(FlowHash, EveryV4InputBitFlipsEveryOutputBitHalfOfTheTime) {
    std::mt19937_64 random(1);
    for (int round = 0; round < 4; ++round) {
        const std::uint64_t seed = random();
        const auto hash = [seed](std::uint64_t addresses, std::uint64_t transport) {
            return fl_flow_hash_v4(seed,
                                   static_cast<std::uint32_t>(addresses),
                                   static_cast<std::uint32_t>(addresses >> 32U),
                                   static_cast<std::uint16_t>(transport),
                                   static_cast<std::uint16_t>(transport >> 16U),
                                   static_cast<std::uint8_t>(transport >> 32U));
        };
        FlipCounter flips(104);
        for (std::uint64_t sample = 0; sample < kSamples; ++sample) {
            const std::uint64_t addresses = random();
            const std::uint64_t transport = random();
            const std::uint64_t base = hash(addresses, transport);
            for (std::size_t bit = 0; bit < 64; ++bit) {
                flips.add(bit, base ^ hash(addresses ^ 1ULL << bit, transport));
            }
            for (std::size_t bit = 0; bit < 40; ++bit) {
                flips.add(64 + bit, base ^ hash(addresses, transport ^ 1ULL << bit));
            }
        }
        EXPECT_LT(flips.worst(kSamples), kWorstBias) << "seed " << seed;
    }
}

constexpr std::uint64_t kV6Samples = kSamples / 4;

TEST(FlowHash, EveryV6AddressBitFlipsEveryOutputBitHalfOfTheTime) {
    std::mt19937_64 random(2);
    const std::uint64_t seed = random();
    FlipCounter flips(256);
    for (std::uint64_t sample = 0; sample < kV6Samples; ++sample) {
        std::array<std::uint8_t, 32> bytes{};
        std::generate(
            bytes.begin(), bytes.end(), [&random] { return static_cast<std::uint8_t>(random()); });
        const auto hash = [&] {
            return fl_flow_hash_v6(seed, bytes.data(), bytes.data() + 16, 7, 8, 6);
        };
        const std::uint64_t base = hash();
        for (std::size_t bit = 0; bit < 256; ++bit) {
            const auto mask = static_cast<std::uint8_t>(1U << bit % 8);
            bytes[bit / 8] ^= mask;
            flips.add(bit, base ^ hash());
            bytes[bit / 8] ^= mask;
        }
    }
    EXPECT_LT(flips.worst(kV6Samples), kWorstBias);
}

TEST(FlowHash, AnotherSeedChangesEverything) {
    std::mt19937_64 random(3);
    FlipCounter flips(64);
    std::uint64_t same_slot = 0;
    for (std::uint64_t sample = 0; sample < kSamples; ++sample) {
        const std::uint64_t seed = random();
        const auto client = static_cast<std::uint32_t>(random());
        const auto port = static_cast<std::uint16_t>(random());
        const std::uint64_t base = client_hash(seed, client, port);
        for (std::size_t bit = 0; bit < 64; ++bit) {
            const std::uint64_t other = client_hash(seed ^ 1ULL << bit, client, port);
            flips.add(bit, base ^ other);
            if (fl_ring_slot(base, kRingSize) == fl_ring_slot(other, kRingSize)) {
                ++same_slot;
            }
        }
    }
    EXPECT_LT(flips.worst(kSamples), kWorstBias);
    // 1,280,000 pairs, of which 1 in 65,537 may agree: 20, and 5 standard deviations of 4.4 beyond.
    EXPECT_LT(same_slot, 42U);
}

// How far a histogram is from uniform, in standard deviations of the chi-square statistic.
double chi_square_deviations(const std::vector<std::uint32_t>& counts, double total) {
    const double expected = total / static_cast<double>(counts.size());
    double statistic = 0;
    for (const std::uint32_t count : counts) {
        const double difference = static_cast<double>(count) - expected;
        statistic += difference * difference / expected;
    }
    const auto freedom = static_cast<double>(counts.size() - 1);
    return (statistic - freedom) / std::sqrt(2 * freedom);
}

struct Clients {
    const char* description;
    std::uint32_t address_stride;
    std::uint16_t ports;  // ports used by each address
    std::uint16_t port_stride;
};

constexpr std::uint32_t kFlows = 1U << 20U;

// Real clients are rows of neighbors: hosts behind one prefix, ports counted up one by one.
TEST(FlowHash, SequentialClientsSpreadEvenlyOverSlotsAndBuckets) {
    const std::array<Clients, 5> rows = {{
        {"a million addresses in a row, one port each", 1, 1, 1},
        {"one address a /24", 256, 1, 1},
        {"16 addresses, all their ports", 1, 65'535, 1},
        {"1,024 ports an address, in steps of 32", 1, 1'024, 32},
        {"even ports only, as Linux chooses them first", 1, 14'000, 2},
    }};
    std::mt19937_64 random(4);
    for (const Clients& clients : rows) {
        const std::uint64_t seed = random();
        std::vector<std::uint32_t> slots(kRingSize);
        std::vector<std::uint32_t> low_bits(65'536);     // buckets of a small table
        std::vector<std::uint32_t> middle_bits(65'536);  // those that a larger table adds
        std::vector<std::uint32_t> joint(65'536);        // slot and bucket together
        for (std::uint32_t flow = 0; flow < kFlows; ++flow) {
            const auto address = 0x0A00'0001 + flow / clients.ports * clients.address_stride;
            const auto port =
                static_cast<std::uint16_t>(1'024 + flow % clients.ports * clients.port_stride);
            const std::uint64_t hash = client_hash(seed, address, port);
            ++slots[fl_ring_slot(hash, kRingSize)];
            ++low_bits[hash & 0xFFFFU];
            ++middle_bits[(hash >> 16U) & 0xFFFFU];
            ++joint[((hash & 0xFFU) << 8U) | fl_ring_slot(hash, 256)];
        }
        for (const auto* histogram : {&slots, &low_bits, &middle_bits, &joint}) {
            // Beyond 6 deviations chance is out of the question (1 in 10^9).
            EXPECT_LT(std::abs(chi_square_deviations(*histogram, kFlows)), 6.0)
                << clients.description;
        }
    }
}

std::uint64_t source_hash_of(const char* text, std::uint32_t bits, std::uint64_t seed = kSeed) {
    const IpAddress source = *IpAddress::parse(text);
    return source.is_v4() ? fl_source_hash_v4(seed, source.bytes().data() + 12, bits)
                          : fl_source_hash_v6(seed, source.bytes().data(), bits);
}

TEST(SourceHash, IsTheFlowHashOfTheMaskedSourceAndZeros) {
    const Be32 masked = IpAddress::parse("198.51.96.0")->v4();
    EXPECT_EQ(source_hash_of("198.51.100.7", 20), fl_flow_hash_v4(kSeed, masked.raw(), 0, 0, 0, 0));
    const IpAddress masked6 = *IpAddress::parse("2001:db8:0:4000::");
    const std::array<std::uint8_t, 16> nothing{};
    EXPECT_EQ(source_hash_of("2001:db8:0:7fff::1", 50),
              fl_flow_hash_v6(kSeed, masked6.bytes().data(), nothing.data(), 0, 0, 0));
}

TEST(SourceHash, LooksAtTheFirstBitsAndNoOther) {
    const std::array<std::uint8_t, 16> whole{
        0x20, 0x01, 0x0d, 0xb8, 0xa5, 0x5a, 0xff, 0x00, 1, 2, 3, 4, 5, 6, 7, 8};
    for (std::uint32_t bits = 0; bits <= 130; ++bits) {
        for (std::uint32_t bit = 0; bit < 128; ++bit) {
            std::array<std::uint8_t, 16> other = whole;
            other[bit / 8] = static_cast<std::uint8_t>(other[bit / 8] ^ (0x80U >> bit % 8));
            EXPECT_EQ(fl_source_hash_v6(kSeed, whole.data(), bits) ==
                          fl_source_hash_v6(kSeed, other.data(), bits),
                      bit >= bits);
            if (bit < 32) {
                EXPECT_EQ(fl_source_hash_v4(kSeed, whole.data(), bits) ==
                              fl_source_hash_v4(kSeed, other.data(), bits),
                          bit >= bits);
            }
        }
    }
}

TEST(SourceHash, NeighborsAndPrefixesInARowSpreadEvenly) {
    struct Row {
        std::uint32_t stride;
        std::uint32_t bits;
    };
    std::mt19937_64 random(5);
    for (const Row& row : {Row{1, 32}, Row{256, 24}, Row{256, 32}, Row{4'096, 20}}) {
        const std::uint64_t seed = random();
        std::vector<std::uint32_t> slots(251);
        for (std::uint32_t number = 0; number < kFlows; ++number) {
            const std::uint32_t source = Be32::from_host(0x0A00'0000U + number * row.stride).raw();
            std::array<std::uint8_t, 4> bytes{};
            std::memcpy(bytes.data(), &source, sizeof source);
            ++slots[fl_ring_slot(fl_source_hash_v4(seed, bytes.data(), row.bits), 251)];
        }
        EXPECT_LT(std::abs(chi_square_deviations(slots, kFlows)), 6.0) << row.stride;
    }
}

TEST(FlowHash, AMillionFlowsHaveAMillionHashes) {
    std::vector<std::uint64_t> hashes;
    for (std::uint32_t client = 0; client < 1'024; ++client) {
        for (std::uint16_t port = 1'024; port < 2'048; ++port) {
            hashes.push_back(client_hash(kSeed, 0x0A00'0000 + client, port));
        }
    }
    std::sort(hashes.begin(), hashes.end());
    EXPECT_EQ(std::adjacent_find(hashes.begin(), hashes.end()), hashes.end());
}

TEST(FlowHash, RingSlotStaysInsideTheRing) {
    for (const std::uint32_t size : {1U, 2U, 7U, 65'537U, 655'373U, ~0U}) {
        EXPECT_EQ(fl_ring_slot(0, size), 0U);
        EXPECT_EQ(fl_ring_slot(~0ULL, size), size - 1);
    }
}

}  // namespace
}  // namespace fairlead
