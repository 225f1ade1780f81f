// An Ethernet address, bytes as they stand on the wire (IEEE 802.3, 3.2.3).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace fairlead {

struct MacAddress {
    std::array<std::uint8_t, 6> bytes{};

    // Reads "02:00:00:00:04:01", nothing else.
    [[nodiscard]] static std::optional<MacAddress> parse(std::string_view text) noexcept;
    // The address as text, ended by NUL.
    using Text = std::array<char, 18>;
    [[nodiscard]] Text text() const noexcept;

    friend constexpr bool operator==(const MacAddress&, const MacAddress&) = default;
};

static_assert(sizeof(MacAddress) == 6);

}  // namespace fairlead
