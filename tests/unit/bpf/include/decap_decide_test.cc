// The decisions of decap on frames that nobody means well with. What they are on good and on
// plainly bad frames is tests/bpf/test_decap.py's subject; here every byte is in a buffer of its
// exact size, for the sanitizers.
#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/bpf/include/decap_decide_c.h"
#include "tests/unit/bpf/include/decap_soundness.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr int kRounds = 400'000;
constexpr std::size_t kEthernet = 14;

void put16(Bytes& bytes, std::size_t at, std::size_t value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8U);
    bytes[at + 1] = static_cast<std::uint8_t>(value);
}

void set_checksum(Bytes& frame, std::size_t header_at, std::size_t length) {
    put16(frame, header_at + 10, 0);
    put16(frame, header_at + 10, 0xFFFFU & ~sum_of(std::span(frame).subspan(header_at, length)));
}

enum class Mode : std::uint8_t {
    kIpip,
    kGre,
    kGue
};

void append(Bytes& frame, std::initializer_list<unsigned> bytes) {
    for (const unsigned byte : bytes) {
        frame.push_back(static_cast<std::uint8_t>(byte));
    }
}

// An IP header and what it announces: `options` bytes of options where it is IPv4.
void append_ip(
    Bytes& frame, bool is_v6, std::size_t options, std::size_t payload, unsigned protocol) {
    const std::size_t at = frame.size();
    frame.resize(at + (is_v6 ? 40 : 20 + options), std::uint8_t{1});
    if (is_v6) {
        frame[at] = 0x60;
        frame[at + 1] = 0;
        put16(frame, at + 4, payload);
        frame[at + 6] = static_cast<std::uint8_t>(protocol);
        return;
    }
    frame[at] = static_cast<std::uint8_t>(0x40 | (20 + options) / 4);
    put16(frame, at + 2, 20 + options + payload);
    put16(frame, at + 6, 0x4000);
    frame[at + 9] = static_cast<std::uint8_t>(protocol);
    set_checksum(frame, at, 20 + options);
}

// A good tunnel packet with 8 bytes of content.
Bytes good_frame(Mode mode, bool outer_is_v6, bool inner_is_v6, std::size_t options = 0) {
    constexpr std::array<std::size_t, 3> kMiddle{0, 4, 12};
    const std::size_t inner = (inner_is_v6 ? 40 : 20) + 8;
    const unsigned number = inner_is_v6 ? 41 : 4;
    const std::array<unsigned, 3> protocols{number, 47, 17};
    Bytes frame(kEthernet, 1);
    put16(frame, 12, outer_is_v6 ? 0x86DD : 0x0800);
    const auto way = static_cast<std::size_t>(mode);
    append_ip(frame, outer_is_v6, options, kMiddle.at(way) + inner, protocols.at(way));
    if (mode == Mode::kGre) {
        append(frame, {0, 0, inner_is_v6 ? 0x86U : 0x08U, inner_is_v6 ? 0xDDU : 0U});
    } else if (mode == Mode::kGue) {
        append(frame, {0xC0, 1, 0x17, 0xC0, 0, static_cast<unsigned>(12 + inner), 0x12, 0x34});
        append(frame, {0, number, 0, 0});
    }
    append_ip(frame, inner_is_v6, 0, 8, 17);
    frame.resize(frame.size() + 8, std::uint8_t{1});
    return frame;
}

std::vector<Bytes> good_frames() {
    std::vector<Bytes> frames;
    for (const Mode mode : {Mode::kIpip, Mode::kGre, Mode::kGue}) {
        for (const bool inner_is_v6 : {false, true}) {
            frames.push_back(good_frame(mode, true, inner_is_v6));
            for (const unsigned options : {0U, 4U, 40U}) {
                frames.push_back(good_frame(mode, false, inner_is_v6, options));
            }
        }
    }
    return frames;
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
    for (const Bytes& frame : good_frames()) {
        const DecapDecision decision = decide(frame);
        EXPECT_EQ(decision.is_tunnel, 1);
        EXPECT_EQ(decision.outcome, DECAP_DECAPSULATED);
    }
}

// One of the good frames with a few bytes changed, its checksum mended or not, its end cut off or
// not.
Bytes hostile_frame(std::mt19937& random) {
    static const std::vector<Bytes> seeds = good_frames();
    // The bytes that decide something are hit more often than chance would.
    constexpr std::array<std::size_t, 24> kTelling = {12, 13, 14, 15, 16, 17, 18, 19,
                                                      20, 21, 23, 34, 35, 36, 37, 38,
                                                      42, 43, 44, 54, 56, 58, 62, 63};
    Bytes frame = seeds.at(random() % seeds.size());
    for (unsigned change = random() % 4; change > 0; --change) {
        const bool is_telling = random() % 2 == 0;
        const std::size_t at = is_telling ? kTelling.at(random() % kTelling.size()) % frame.size()
                                          : random() % frame.size();
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
    for (Bytes frame : good_frames()) {
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
