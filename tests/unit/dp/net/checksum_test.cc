#include "dp/net/checksum.h"

#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace fairlead {
namespace {

using Bytes = std::vector<std::uint8_t>;

// The definition, word by word, as RFC 1071, 1 puts it: carries are added at once.
std::uint16_t defined_checksum(const Bytes& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
        const std::uint32_t low = i + 1 < bytes.size() ? bytes[i + 1] : 0U;
        sum += std::uint32_t{bytes[i]} << 8U | low;
        sum = (sum & 0xFFFFU) + (sum >> 16U);
    }
    return static_cast<std::uint16_t>(~sum);
}

TEST(Checksum, GivesTheSumOfRfc1071Section3) {
    // The bytes 00 01 f2 03 f4 f5 f6 f7 sum to ddf2.
    const Bytes bytes{0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7};
    EXPECT_EQ(checksum_of(bytes).host(), static_cast<std::uint16_t>(~0xDDF2U));
}

TEST(Checksum, FollowsTheDefinitionForEveryLength) {
    std::mt19937 random(1);
    for (std::size_t length = 0; length < 130; ++length) {
        Bytes bytes(length);
        for (auto& byte : bytes) {
            byte = static_cast<std::uint8_t>(random());
        }
        EXPECT_EQ(checksum_of(bytes).host(), defined_checksum(bytes)) << length;
    }
}

TEST(Checksum, CarriesThroughTheLargestSum) {
    const Bytes bytes(65'535, 0xFF);
    EXPECT_EQ(checksum_of(bytes).host(), defined_checksum(bytes));
}

TEST(Checksum, AnIpv4HeaderWithARightFieldSumsToZero) {
    const Bytes header{0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                       0xB8, 0x61, 0xC0, 0xA8, 0x00, 0x01, 0xC0, 0xA8, 0x00, 0xC7};
    EXPECT_EQ(checksum_of(header), Be16{});
}

TEST(UpdatedChecksum, GivesTheExampleOfRfc1624Section4) {
    // HC = dd2f, m = 5555 becomes m' = 3285: equation 3 gives 0000, where RFC 1141 gave ffff.
    EXPECT_EQ(
        updated_checksum(Be16::from_host(0xDD2F), Be16::from_host(0x5555), Be16::from_host(0x3285)),
        Be16::from_host(0x0000));
}

TEST(UpdatedChecksum, EqualsTheChecksumComputedAnew) {
    std::mt19937 random(2);
    for (int round = 0; round < 20'000; ++round) {
        Bytes bytes(20);
        for (auto& byte : bytes) {
            byte = static_cast<std::uint8_t>(random() % 3 == 0 ? random() : 0xFFU);
        }
        const Be16 before = checksum_of(bytes);
        const Be16 old_word =
            Be16::from_host(static_cast<std::uint16_t>(bytes[8] << 8U | bytes[9]));
        bytes[8] = static_cast<std::uint8_t>(random());
        bytes[9] = static_cast<std::uint8_t>(random());
        const Be16 new_word =
            Be16::from_host(static_cast<std::uint16_t>(bytes[8] << 8U | bytes[9]));
        const std::uint16_t expected = checksum_of(bytes).host();
        const std::uint16_t updated = updated_checksum(before, old_word, new_word).host();
        // 0 and ffff are the same number in one's complement; only an all-zero sum tells them
        // apart.
        EXPECT_TRUE(updated == expected || (updated % 0xFFFFU == 0 && expected % 0xFFFFU == 0));
    }
}

}  // namespace
}  // namespace fairlead
