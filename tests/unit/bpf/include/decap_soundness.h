// Whether a frame that decap would unpack may be unpacked, told from its bytes alone and written
// apart from the program: for its tests and its fuzzer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "tests/unit/bpf/include/decap_decide_c.h"

inline constexpr std::size_t kDecapEthernet = 14;

inline std::uint32_t be16(std::span<const std::uint8_t> bytes, std::size_t at) {
    return static_cast<std::uint32_t>(bytes[at]) << 8U | bytes[at + 1];
}

// The sum of RFC 1071 over a header, 0xFFFF if its checksum is right.
inline std::uint32_t sum_of(std::span<const std::uint8_t> header) {
    std::uint32_t sum = 0;
    for (std::size_t at = 0; at < header.size(); at += 2) {
        sum += be16(header, at);
    }
    while (sum > 0xFFFF) {
        sum = (sum & 0xFFFFU) + (sum >> 16U);
    }
    return sum;
}

// What stands between the two IP headers, told from its bytes alone: how long it is, the family
// that it announces, and how many bytes it leaves for the inner packet of `room`; family 0 if it is
// not to be taken.
struct Middle {
    std::size_t bytes = 0;
    unsigned family = 0;
    std::size_t room = 0;
};
inline Middle middle_of(unsigned protocol, std::span<const std::uint8_t> bytes, bool outer_is_v6) {
    const auto family_of = [](std::uint32_t number, std::uint32_t v4, std::uint32_t v6) {
        return number == v4 ? 4U : number == v6 ? 6U : 0U;
    };
    if (protocol == 4 || protocol == 41) {
        return {0, family_of(protocol, 4, 41), bytes.size()};
    }
    if (protocol == 47 && bytes.size() >= 4) {
        const bool is_plain = (be16(bytes, 0) & 0xFC07U) == 0;
        return {4, is_plain ? family_of(be16(bytes, 2), 0x0800, 0x86DD) : 0U, bytes.size() - 4};
    }
    if (protocol != 17 || bytes.size() < 12) {
        return {};
    }
    const std::size_t length = be16(bytes, 4);
    const bool is_sound = be16(bytes, 2) == 6080 && length >= 12 && length <= bytes.size() &&
                          bytes[8] == 0 && be16(bytes, 10) == 0 &&
                          (!outer_is_v6 || be16(bytes, 6) != 0);
    return {12, is_sound ? family_of(bytes[9], 4, 41) : 0U, length - 12};
}

// Why a frame must not be unpacked, told from its bytes alone; empty if it may be.
inline std::string_view why_unsound(std::span<const std::uint8_t> frame,
                                    const DecapDecision& decision) {
    const std::span<const std::uint8_t> bytes(frame);
    if (decision.inner_at >= bytes.size()) {
        return "the inner packet is beyond the frame";
    }
    const bool is_v4 = be16(bytes, 12) == 0x0800;
    const auto outer = bytes.subspan(kDecapEthernet);
    const std::size_t outer_bytes = is_v4 ? std::size_t{4} * (outer[0] & 0xFU) : 40;
    const std::size_t packet = is_v4 ? be16(outer, 2) : 40 + be16(outer, 4);
    if (packet > outer.size() || outer_bytes > packet) {
        return "the outer length is wrong";
    }
    if (is_v4 && (sum_of(outer.first(outer_bytes)) != 0xFFFFU || (be16(outer, 6) & 0x3FFFU) != 0)) {
        return "the outer checksum is wrong, or it is a fragment";
    }
    const Middle middle =
        middle_of(outer[is_v4 ? 9 : 6], outer.subspan(outer_bytes, packet - outer_bytes), !is_v4);
    if (middle.family == 0 || middle.family != decision.family ||
        decision.inner_at != kDecapEthernet + outer_bytes + middle.bytes) {
        return "not a tunnel that we take, or taken for another";
    }
    const auto inner = bytes.subspan(decision.inner_at);
    const std::size_t inner_packet = middle.family == 4 ? be16(inner, 2) : 40 + be16(inner, 4);
    if (inner_packet > middle.room) {
        return "the inner length reaches too far";
    }
    return inner[0] >> 4U == middle.family && inner_packet >= (middle.family == 4 ? 20U : 40U)
               ? ""
               : "the inner packet is no packet";
}
