// Where bytes become headers, and which source addresses cannot be.
//
// Thread: any; no state. Nothing here checks lengths: the caller knows how many bytes there are,
// and asks for a header only where it fits.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "dp/net/headers.h"

namespace fairlead {

// The header at `bytes`. Requires sizeof(Header) readable bytes there. The cast is sound since
// every header has alignment 1 and consists of bytes, which may alias anything.
template <typename Header>
[[nodiscard]] inline Header& header_at(std::uint8_t* bytes) noexcept {
    static_assert(alignof(Header) == 1);
    void* const start = bytes;
    return *static_cast<Header*>(start);
}
template <typename Header>
[[nodiscard]] inline const Header& header_at(const std::uint8_t* bytes) noexcept {
    static_assert(alignof(Header) == 1);
    const void* const start = bytes;
    return *static_cast<const Header*>(start);
}

// A source that no client can have: this network, loopback, multicast, reserved and broadcast
// (RFC 1812, 5.3.7; RFC 1122, 3.2.1.3).
[[nodiscard]] inline bool is_martian_v4(Be32 source) noexcept {
    const std::uint32_t first_octet = source.host() >> 24U;
    return first_octet == 0 || first_octet == 127 || first_octet >= 224;
}

// Two halves of an IPv6 address as numbers.
struct Ipv6Halves {
    std::uint64_t high;
    std::uint64_t low;

    friend bool operator==(const Ipv6Halves&, const Ipv6Halves&) = default;
};

[[nodiscard]] inline Ipv6Halves halves_of(const std::array<std::uint8_t, 16>& address) noexcept {
    Ipv6Halves halves{};
    std::memcpy(&halves, address.data(), sizeof halves);
    if constexpr (std::endian::native == std::endian::little) {
        halves.high = __builtin_bswap64(halves.high);
        halves.low = __builtin_bswap64(halves.low);
    }
    return halves;
}

// ::ffff:0:0/96 (RFC 4291, 2.5.5.2): a notation for programs, never on the wire. Inside the
// balancer it is IPv4, so a packet that carries it must not be taken for one.
[[nodiscard]] inline bool is_v4_mapped(const std::array<std::uint8_t, 16>& address) noexcept {
    const Ipv6Halves halves = halves_of(address);
    return halves.high == 0 && halves.low >> 32U == 0xFFFFU;
}

// ::, ::1, multicast and v4-mapped (RFC 4291, 2.5.2, 2.5.3, 2.7).
[[nodiscard]] inline bool is_martian_v6(const std::array<std::uint8_t, 16>& source) noexcept {
    const Ipv6Halves halves = halves_of(source);
    if (halves.high == 0) {
        return halves.low <= 1 || halves.low >> 32U == 0xFFFFU;
    }
    return halves.high >> 56U == 0xFFU;
}

// Of one link only, so no router may pass it on to another one: 169.254.0.0/16 (RFC 3927, 7) and
// fe80::/10 (RFC 4291, 2.5.6).
[[nodiscard]] inline bool is_link_local_v4(Be32 address) noexcept {
    return address.host() >> 16U == 0xA9FEU;
}
[[nodiscard]] inline bool is_link_local_v6(const std::array<std::uint8_t, 16>& address) noexcept {
    return halves_of(address).high >> 54U == 0x3FAU;
}

}  // namespace fairlead
