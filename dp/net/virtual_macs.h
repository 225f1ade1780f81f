// MAC addresses of virtual routers, and sets of them (RFC 5798, 7.3): 00:00:5e:00:01:NN belongs to
// virtual router NN of IPv4, 00:00:5e:00:02:NN to that of IPv6, NN from 1 to 255.
//
// A set stands in `tables` (dp/shm/tables.h) and, word for word, in the steering program's map
// (bpf/abi/steer.h). Whatever its bits are, it holds addresses of these two ranges alone. Any
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "dp/base/read_once.h"
#include "dp/net/mac_address.h"

namespace fairlead {

struct VirtualMacs {
    static constexpr unsigned kCount = 512;  // numbers, of which 0 and 256 name no router

    // Bit N % 64 of word N / 64: the address with number N, the router's of IPv4, or of IPv6 plus
    // 256.
    std::array<std::uint64_t, kCount / 64> words{};

    // nullopt: not of a virtual router.
    [[nodiscard]] static constexpr std::optional<unsigned> number_of(
        const MacAddress& mac) noexcept {
        const auto& bytes = mac.bytes;
        const bool is_in_range = bytes[0] == 0 && bytes[1] == 0 && bytes[2] == 0x5E &&
                                 bytes[3] == 0 && (bytes[4] == 1 || bytes[4] == 2) && bytes[5] != 0;
        return is_in_range ? std::optional((bytes[4] - 1U) * 256U + bytes[5]) : std::nullopt;
    }
    // Requires a number below kCount.
    [[nodiscard]] static constexpr MacAddress mac_of(unsigned number) noexcept {
        return {{0,
                 0,
                 0x5E,
                 0,
                 static_cast<std::uint8_t>(1 + number / 256),
                 static_cast<std::uint8_t>(number % 256)}};
    }

    // What is not of a virtual router stays out.
    constexpr void add(const MacAddress& mac) noexcept {
        if (const auto number = number_of(mac)) {
            words[*number / 64] |= std::uint64_t{1} << (*number % 64);
        }
    }
    // The set may be in memory that another program writes at the same time.
    [[nodiscard]] bool has(const MacAddress& mac) const noexcept {
        const auto number = number_of(mac);
        return number && (read_once(words[*number / 64]) >> (*number % 64) & 1U) != 0;
    }

    friend constexpr bool operator==(const VirtualMacs&, const VirtualMacs&) = default;
};
static_assert(sizeof(VirtualMacs) == 64);

}  // namespace fairlead
