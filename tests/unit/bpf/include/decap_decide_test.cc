// The decisions of decap on frames that nobody means well with. What they are on good and on
// plainly bad frames is tests/bpf/test_decap.py's subject; here every byte is in a buffer of its
// exact size, for the sanitizers.
#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/bpf/include/decap_decide_c.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr int kRounds = 200'000;
constexpr std::size_t kEthernet = 14;

std::uint32_t be16(std::span<const std::uint8_t> bytes, std::size_t at) {
    return static_cast<std::uint32_t>(bytes[at]) << 8U | bytes[at + 1];
}

void put16(Bytes& bytes, std::size_t at, std::size_t value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8U);
    bytes[at + 1] = static_cast<std::uint8_t>(value);
}

// The sum of RFC 1071 over a header, 0xFFFF if its checksum is right.
std::uint32_t sum_of(std::span<const std::uint8_t> header) {
    std::uint32_t sum = 0;
    for (std::size_t at = 0; at < header.size(); at += 2) {
        sum += be16(header, at);
    }
    while (sum > 0xFFFF) {
        sum = (sum & 0xFFFFU) + (sum >> 16U);
    }
    return sum;
}

void set_checksum(Bytes& frame, std::size_t header_at, std::size_t length) {
    put16(frame, header_at + 10, 0);
    put16(frame, header_at + 10, 0xFFFFU & ~sum_of(std::span(frame).subspan(header_at, length)));
}

// 4in4 with `options` bytes of options outside, and 8 bytes of content.
Bytes frame_4in4(std::size_t options) {
    const std::size_t outer = 20 + options;
    Bytes frame(kEthernet + outer + 28, 1);
    put16(frame, 12, 0x0800);
    std::fill(frame.begin() + kEthernet, frame.end(), std::uint8_t{1});
    frame[kEthernet] = static_cast<std::uint8_t>(0x40 | outer / 4);
    put16(frame, kEthernet + 2, outer + 28);
    put16(frame, kEthernet + 6, 0x4000);
    frame[kEthernet + 9] = 4;
    set_checksum(frame, kEthernet, outer);
    const std::size_t inner = kEthernet + outer;
    frame[inner] = 0x45;
    put16(frame, inner + 2, 28);
    set_checksum(frame, inner, 20);
    return frame;
}

Bytes frame_6in6() {
    Bytes frame(kEthernet + 40 + 48, 1);
    put16(frame, 12, 0x86DD);
    for (const std::size_t at : {kEthernet, kEthernet + 40}) {
        frame[at] = 0x60;
        frame[at + 1] = 0;
    }
    put16(frame, kEthernet + 4, 48);
    frame[kEthernet + 6] = 41;
    put16(frame, kEthernet + 40 + 4, 8);
    return frame;
}

// In memory that ends where the frame does.
DecapDecision decide(const Bytes& frame, std::uint32_t frame_length) {
    const Bytes exact(frame.begin(), frame.end());
    return decap_decide(exact.data(), static_cast<std::uint32_t>(exact.size()), frame_length);
}

DecapDecision decide(const Bytes& frame) {
    return decide(frame, static_cast<std::uint32_t>(frame.size()));
}

TEST(DecapDecide, TheSeedsOfTheseTestsAreUnpacked) {
    for (const Bytes& frame : {frame_4in4(0), frame_4in4(4), frame_4in4(40), frame_6in6()}) {
        const DecapDecision decision = decide(frame);
        EXPECT_EQ(decision.is_tunnel, 1);
        EXPECT_EQ(decision.outcome, DECAP_DECAPSULATED);
    }
}

// Why a frame must not be unpacked, told from its bytes alone; empty if it may be.
std::string_view why_unsound(const Bytes& frame, const DecapDecision& decision) {
    const std::span<const std::uint8_t> bytes(frame);
    if (decision.inner_at >= bytes.size()) {
        return "the inner packet is beyond the frame";
    }
    const bool is_v4 = be16(bytes, 12) == 0x0800;
    const auto outer = bytes.subspan(kEthernet);
    const auto inner = bytes.subspan(decision.inner_at);
    const std::size_t outer_bytes = decision.inner_at - kEthernet;
    const std::size_t packet = is_v4 ? be16(outer, 2) : 40 + be16(outer, 4);
    const std::size_t inner_packet = is_v4 ? be16(inner, 2) : 40 + be16(inner, 4);
    if (packet > outer.size() || outer_bytes + inner_packet > packet) {
        return "a length reaches too far";
    }
    if (inner[0] >> 4U != (is_v4 ? 4U : 6U) || inner_packet < (is_v4 ? 20U : 40U)) {
        return "the inner packet is no packet";
    }
    if (!is_v4) {
        return outer[6] == 41 ? "" : "not 6in6";
    }
    if (sum_of(outer.first(outer_bytes)) != 0xFFFFU) {
        return "the outer checksum is wrong";
    }
    return outer[9] == 4 && (be16(outer, 6) & 0x3FFFU) == 0 ? "" : "not 4in4, or a fragment";
}

// One of the good frames with a few bytes changed, its checksum mended or not, its end cut off or
// not.
Bytes hostile_frame(std::mt19937& random) {
    static const std::array seeds = {frame_4in4(0), frame_4in4(4), frame_4in4(40), frame_6in6()};
    // The bytes that decide something are hit more often than chance would.
    constexpr std::array<std::size_t, 14> kTelling = {
        12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 23, 34, 36, 54};
    Bytes frame = seeds.at(random() % seeds.size());
    for (unsigned change = random() % 4; change > 0; --change) {
        const bool is_telling = random() % 2 == 0;
        const std::size_t at =
            is_telling ? kTelling.at(random() % kTelling.size()) : random() % frame.size();
        frame[at] = static_cast<std::uint8_t>(random());
    }
    const std::size_t header = std::size_t{4} * (frame[kEthernet] & 0xFU);
    if (random() % 2 == 0 && header >= 20 && kEthernet + header <= frame.size()) {
        set_checksum(frame, kEthernet, header);
    }
    if (random() % 4 == 0) {
        frame.resize(random() % frame.size());
    }
    return frame;
}

TEST(DecapDecide, NothingIsReadBeyondAFrameAndOnlySoundOnesAreUnpacked) {
    std::mt19937 random(20030);  // the same frames every time
    int unpacked = 0;
    int refused = 0;
    for (int round = 0; round < kRounds; ++round) {
        const Bytes frame = hostile_frame(random);
        const DecapDecision decision = decide(frame);
        if (decision.is_tunnel == 1 && decision.outcome == DECAP_DECAPSULATED) {
            ++unpacked;
            ASSERT_EQ(why_unsound(frame, decision), "") << "in round " << round;
        } else if (decision.is_tunnel == 1) {
            ++refused;
        }
    }
    EXPECT_GT(unpacked, kRounds / 10);
    EXPECT_GT(refused, kRounds / 20);
}

TEST(DecapDecide, AFrameLengthThatPromisesMoreThanCanBeReadIsNotBelievedForHeaders) {
    for (Bytes frame : {frame_4in4(40), frame_6in6()}) {
        const std::size_t whole = frame.size();
        while (!frame.empty()) {
            frame.pop_back();
            const DecapDecision decision = decide(frame, static_cast<std::uint32_t>(whole));
            if (decision.is_tunnel == 1 && decision.outcome == DECAP_DECAPSULATED) {
                // Only content may be elsewhere.
                EXPECT_GE(frame.size(), decision.inner_at + 20);
            }
        }
    }
}

TEST(DecapDecide, EveryMarkKeepsTheChecksumOfEveryHeaderRight) {
    std::mt19937 random(1624);  // the same headers every time
    for (int round = 0; round < kRounds / 10; ++round) {
        Bytes header(20);
        std::generate(
            header.begin(), header.end(), [&] { return static_cast<std::uint8_t>(random()); });
        header[0] = 0x45;
        set_checksum(header, 0, header.size());
        const auto ecn = static_cast<std::uint8_t>(random() % 4);
        const Bytes before = header;
        decap_set_ecn(header.data(), ecn);
        ASSERT_EQ(header[1], (before[1] & 0xFCU) | ecn);
        ASSERT_EQ(sum_of(header), 0xFFFFU) << "round " << round;
    }
}

}  // namespace
