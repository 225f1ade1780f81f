// Byte order as a type: what came from the wire cannot be used as a number by mistake.
//
// A Be16 or Be32 holds its bytes as they stand in the packet. There is no arithmetic and no
// implicit conversion; equality is allowed, since it means the same in either order.
#pragma once

#include <bit>
#include <cstdint>

namespace fairlead {

template <typename Word>
class BigEndian {
  public:
    constexpr BigEndian() = default;

    [[nodiscard]] static constexpr BigEndian from_host(Word value) noexcept {
        BigEndian result;
        result.raw_ = swap(value);
        return result;
    }
    // `raw` is the word as it was loaded from memory, in network byte order.
    [[nodiscard]] static constexpr BigEndian from_raw(Word raw) noexcept {
        BigEndian result;
        result.raw_ = raw;
        return result;
    }
    [[nodiscard]] constexpr Word host() const noexcept { return swap(raw_); }
    // The word as it stands in memory, for hashes, checksums and copies.
    [[nodiscard]] constexpr Word raw() const noexcept { return raw_; }

    friend constexpr bool operator==(BigEndian, BigEndian) = default;

  private:
    [[nodiscard]] static constexpr Word swap(Word value) noexcept {
        if constexpr (std::endian::native == std::endian::big) {
            return value;
        } else if constexpr (sizeof(Word) == 2) {
            return __builtin_bswap16(value);
        } else {
            static_assert(sizeof(Word) == 4);
            return __builtin_bswap32(value);
        }
    }

    Word raw_{};
};

using Be16 = BigEndian<std::uint16_t>;
using Be32 = BigEndian<std::uint32_t>;

static_assert(sizeof(Be16) == 2 && sizeof(Be32) == 4);

}  // namespace fairlead
