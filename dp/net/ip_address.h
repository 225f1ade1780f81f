// An IPv4 or IPv6 address in one 16-byte form: IPv4 stands in it as ::ffff:a.b.c.d (RFC
// 4291, 2.5.5.2).
//
// One form means one hash table, one key and one code path; the family is read back from the
// prefix. A packet with a v4-mapped address inside an IPv6 header is dropped as martian before it
// gets here. Bytes are in network order. The type is trivially copyable and part of the
// shared-memory layout.
#pragma once

#include <array>
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
        IpAddress result;
        result.bytes_[10] = 0xFF;
        result.bytes_[11] = 0xFF;
        const std::uint32_t host = address.host();
        result.bytes_[12] = static_cast<std::uint8_t>(host >> 24U);
        result.bytes_[13] = static_cast<std::uint8_t>(host >> 16U);
        result.bytes_[14] = static_cast<std::uint8_t>(host >> 8U);
        result.bytes_[15] = static_cast<std::uint8_t>(host);
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
        for (std::size_t i = 0; i < 10; ++i) {
            if (bytes_[i] != 0) {
                return false;
            }
        }
        return bytes_[10] == 0xFF && bytes_[11] == 0xFF;
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

    friend constexpr bool operator==(const IpAddress&, const IpAddress&) = default;
    friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

  private:
    std::array<std::uint8_t, 16> bytes_{};
};

static_assert(sizeof(IpAddress) == 16 && std::is_trivially_copyable_v<IpAddress>);

}  // namespace fairlead
