// The Internet checksum (RFC 1071), and its update when a field changes (RFC 1624).
//
// Sums are taken over words as they lie in memory: RFC 1071, 2(B) shows that the result is the same
// in either byte order, as long as it is stored the way it was loaded. Thread: any; no state.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "dp/net/headers.h"

namespace fairlead {

// Folds a sum of 16-bit or 32-bit words into 16 bits with end-around carry.
[[nodiscard]] inline std::uint16_t fold_checksum(std::uint64_t sum) noexcept {
    sum = (sum & 0xFFFF'FFFFU) + (sum >> 32U);
    sum = (sum & 0xFFFFU) + (sum >> 16U);
    sum = (sum & 0xFFFFU) + (sum >> 16U);
    sum = (sum & 0xFFFFU) + (sum >> 16U);
    return static_cast<std::uint16_t>(sum);
}

// The one's complement sum of `bytes`; a last odd byte is padded with zero. At most 64 KiB.
[[nodiscard]] std::uint64_t sum_bytes(std::span<const std::uint8_t> bytes) noexcept;

// The checksum of `bytes`, in which the checksum field itself counts as it stands: so 0 in it gives
// the value to store, and a right value in it gives 0.
[[nodiscard]] inline Be16 checksum_of(std::span<const std::uint8_t> bytes) noexcept {
    return Be16::from_raw(static_cast<std::uint16_t>(~fold_checksum(sum_bytes(bytes))));
}

// The sum of IPv6's pseudo-header (RFC 8200, 8.1), to which that of the payload is added.
[[nodiscard]] inline std::uint64_t sum_pseudo_header(const Ipv6Header& header,
                                                     std::uint32_t payload_bytes,
                                                     std::uint8_t protocol) noexcept {
    return sum_bytes(header.source) + sum_bytes(header.destination) +
           Be32::from_host(payload_bytes).raw() + Be32::from_host(protocol).raw();
}

// The same of IPv4, as TCP and UDP use it (RFC 9293, 3.1).
[[nodiscard]] inline std::uint64_t sum_pseudo_header(const Ipv4Header& header,
                                                     std::uint32_t payload_bytes,
                                                     std::uint8_t protocol) noexcept {
    return std::uint64_t{header.source.get().raw()} + header.destination.get().raw() +
           Be32::from_host(payload_bytes).raw() + Be32::from_host(protocol).raw();
}

// Whether the checksum of an IPv4 header is right. Requires header.header_bytes() readable bytes,
// at least 20. (A plain loop over 4-byte words: options are rare and short.)
[[nodiscard]] inline bool has_right_checksum(const Ipv4Header& header,
                                             std::uint32_t header_bytes) noexcept {
    const auto* const bytes = &header.version_and_length;
    std::uint64_t sum = 0;
    for (std::uint32_t offset = 0; offset < sizeof(Ipv4Header); offset += 4) {
        std::uint32_t word = 0;
        std::memcpy(&word, bytes + offset, sizeof word);
        sum += word;
    }
    for (std::uint32_t offset = sizeof(Ipv4Header); offset < header_bytes; offset += 4) {
        std::uint32_t word = 0;
        std::memcpy(&word, bytes + offset, sizeof word);
        sum += word;
    }
    // Folding keeps a sum's remainder by 0xFFFF, and makes 0 of 0 alone: so this is
    // fold_checksum(sum) == 0xFFFF by one multiplication.
    return (sum - 1) % 0xFFFFU == 0xFFFEU;
}

// The checksum after one 16-bit word that it covers changed from `before` to `after`: equation 3 of
// RFC 1624, HC' = ~(~HC + ~m + m').
[[nodiscard]] inline Be16 updated_checksum(Be16 checksum, Be16 before, Be16 after) noexcept {
    const std::uint64_t sum = std::uint64_t{static_cast<std::uint16_t>(~checksum.raw())} +
                              static_cast<std::uint16_t>(~before.raw()) + after.raw();
    return Be16::from_raw(static_cast<std::uint16_t>(~fold_checksum(sum)));
}

}  // namespace fairlead
