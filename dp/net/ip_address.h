// An IPv4 or IPv6 address in one 16-byte form: IPv4 stands in it as ::ffff:a.b.c.d (RFC
// 4291, 2.5.5.2).
//
// One form means one hash table, one key and one code path; the family is read back from the
// prefix. A packet with a v4-mapped address inside an IPv6 header is dropped as martian before it
// gets here. Bytes are in network order. The type is trivially copyable and part of the
// shared-memory layout.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

#include "dp/net/big_endian.h"

namespace fairlead {

class IpAddress {
  public:
    constexpr IpAddress() = default;  // ::

    [[nodiscard]] static constexpr IpAddress from_v4(Be32 address) noexcept {
        // Whole words, since reading a word right behind byte stores into it stalls the processor.
        IpAddress result;
        result.bytes_ = std::bit_cast<std::array<std::uint8_t, 16>>(
            std::array<std::uint32_t, 4>{0, 0, Be32::from_host(0xFFFF).raw(), address.raw()});
        return result;
    }
    [[nodiscard]] static constexpr IpAddress from_v6(
        const std::array<std::uint8_t, 16>& bytes) noexcept {
        IpAddress result;
        result.bytes_ = bytes;
        return result;
    }
    // Reads "192.0.2.1" or "2001:db8::1", nothing else: no brackets, prefix, port or scope.
    [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text) noexcept;

    [[nodiscard]] constexpr bool is_v4() const noexcept {
        const auto words = std::bit_cast<std::array<std::uint32_t, 4>>(bytes_);
        return (words[0] | words[1]) == 0 && words[2] == Be32::from_host(0xFFFF).raw();
    }
    // Requires is_v4().
    [[nodiscard]] Be32 v4() const noexcept {
        std::uint32_t raw = 0;
        std::memcpy(&raw, bytes_.data() + 12, sizeof raw);
        return Be32::from_raw(raw);
    }
    [[nodiscard]] constexpr const std::array<std::uint8_t, 16>& bytes() const noexcept {
        return bytes_;
    }

    // The address as text, ended by NUL, in a buffer that needs no allocation.
    using Text = std::array<char, 46>;
    [[nodiscard]] Text text() const noexcept;

    // As two words: the compiler calls memcmp for two arrays of bytes, and every packet comes here.
    friend constexpr bool operator==(const IpAddress& left, const IpAddress& right) noexcept {
        using Words = std::array<std::uint64_t, 2>;
        const auto a = std::bit_cast<Words>(left.bytes_);
        const auto b = std::bit_cast<Words>(right.bytes_);
        return ((a[0] ^ b[0]) | (a[1] ^ b[1])) == 0;
    }
    // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the defaulted comparison for a 0
    friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

  private:
    std::array<std::uint8_t, 16> bytes_{};
};

static_assert(sizeof(IpAddress) == 16 && std::is_trivially_copyable_v<IpAddress>);

}  // namespace fairlead
