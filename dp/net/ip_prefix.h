// An address prefix, and addresses as bits that can be masked and compared.
//
// Bits are left-aligned in two host-order words: the first bit on the wire is the highest of
// `high`. An IPv4 address has 32 of them, an IPv6 address 128. Thread: any; no state.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "dp/net/ip_address.h"

namespace fairlead {

struct IpPrefix {
    IpAddress address;        // no bit behind the prefix is set
    std::uint8_t length = 0;  // bits, of the address's own family

    // By family, then address, then length: a prefix stands right before those that it contains.
    friend constexpr bool operator<(const IpPrefix& a, const IpPrefix& b) noexcept {
        return a.address != b.address ? a.address < b.address : a.length < b.length;
    }
    friend constexpr bool operator==(const IpPrefix&, const IpPrefix&) = default;
};

inline constexpr std::uint32_t kV4Bits = 32;
inline constexpr std::uint32_t kV6Bits = 128;

struct AddressBits {
    std::uint64_t high = 0;
    std::uint64_t low = 0;

    friend constexpr bool operator<(const AddressBits& a, const AddressBits& b) noexcept {
        return a.high != b.high ? a.high < b.high : a.low < b.low;
    }
    friend constexpr bool operator==(const AddressBits&, const AddressBits&) = default;
};

// Requires 16 bytes in network order.
[[nodiscard]] inline AddressBits bits_of_v6(const std::uint8_t* bytes) noexcept {
    AddressBits bits;
    std::memcpy(&bits.high, bytes, sizeof bits.high);
    std::memcpy(&bits.low, bytes + sizeof bits.high, sizeof bits.low);
    return {__builtin_bswap64(bits.high), __builtin_bswap64(bits.low)};
}

[[nodiscard]] inline AddressBits bits_of(const IpAddress& address) noexcept {
    return address.is_v4() ? AddressBits{std::uint64_t{address.v4().host()} << (64 - kV4Bits), 0}
                           : bits_of_v6(address.bytes().data());
}

// The first `length` bits of a word of 64, at most all.
[[nodiscard]] constexpr std::uint64_t leading_bits(std::uint32_t length) noexcept {
    return length == 0 ? 0 : ~std::uint64_t{0} << (64 - std::min(length, 64U));
}

// The first `length` bits, the others 0. More than 128 are 128.
[[nodiscard]] constexpr AddressBits masked(const AddressBits& bits, std::uint32_t length) noexcept {
    return {bits.high & leading_bits(length),
            bits.low & leading_bits(length > 64 ? length - 64 : 0)};
}

// The address of such bits. Requires that of IPv4 only the first 32 may be set.
[[nodiscard]] inline IpAddress address_of(const AddressBits& bits, bool is_v4) noexcept {
    if (is_v4) {
        return IpAddress::from_v4(
            Be32::from_host(static_cast<std::uint32_t>(bits.high >> (64 - kV4Bits))));
    }
    std::array<std::uint8_t, 16> bytes{};
    const std::uint64_t high = __builtin_bswap64(bits.high);
    const std::uint64_t low = __builtin_bswap64(bits.low);
    std::memcpy(bytes.data(), &high, sizeof high);
    std::memcpy(bytes.data() + sizeof high, &low, sizeof low);
    return IpAddress::from_v6(bytes);
}

// The prefix of that length around an address. Requires a length that its family has.
[[nodiscard]] inline IpPrefix prefix_around(const IpAddress& address,
                                            std::uint32_t length) noexcept {
    return {address_of(masked(bits_of(address), length), address.is_v4()),
            static_cast<std::uint8_t>(length)};
}

}  // namespace fairlead
