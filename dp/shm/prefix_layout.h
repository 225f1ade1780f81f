// Lists of source prefixes in `tables`: the bytes of one slot. prefix_table.h has the theory.
//
//     PrefixTableHeader | PrefixList[] | leaves, blocks above them, of both families | lows |
//     groups
//
// List n + 1 is lists[n]; 0 stands for no list. All lists share the arrays behind them; how long
// those are follows from how many lists and prefixes a slot is made for (PrefixCapacity).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dp/base/cache_line.h"
#include "dp/net/ip_prefix.h"

namespace fairlead::shm {

inline constexpr std::uint32_t kPrefixTables = 4;        // slots
inline constexpr std::uint32_t kMaxPrefixLists = 4'096;  // one a service
// Of all lists of a snapshot together; the same list of several services counts once.
inline constexpr std::uint32_t kMaxPrefixes = 262'144;

// A block is one cache line of keys, a leaf one of keys with their rules.
inline constexpr std::uint32_t kV4BlockKeys = 16;
inline constexpr std::uint32_t kV6BlockKeys = 8;
inline constexpr std::uint32_t kV4LeafKeys = 10;
inline constexpr std::uint32_t kV6LeafKeys = 6;
// Levels above the leaves: 2 * kMaxPrefixes + 1 starts are fewer than 10 * 16^4, and than 6 * 8^6.
inline constexpr std::uint32_t kV4Levels = 4;
inline constexpr std::uint32_t kV6Levels = 6;

using PackedRule = std::uint16_t;
using PrefixBlockV4 = std::array<std::uint32_t, kV4BlockKeys>;
using PrefixBlockV6 = std::array<std::uint64_t, kV6BlockKeys>;
struct PrefixLeafV4 {
    std::array<std::uint32_t, kV4LeafKeys> keys{};
    std::array<PackedRule, kV4LeafKeys> rules{};
    std::uint32_t reserved = 0;
};
struct PrefixLeafV6 {
    std::array<std::uint64_t, kV6LeafKeys> keys{};
    std::array<PackedRule, kV6LeafKeys> rules{};
    std::uint32_t first_group = 0;  // of its keys that have one
};
static_assert(sizeof(PrefixBlockV4) == kCacheLineBytes && sizeof(PrefixBlockV6) == kCacheLineBytes);
static_assert(sizeof(PrefixLeafV4) == kCacheLineBytes && sizeof(PrefixLeafV6) == kCacheLineBytes);

struct alignas(kCacheLineBytes) PrefixTableHeader {
    std::uint32_t list_count = 0;
    std::uint32_t prefix_count = 0;  // of all lists
    // In use of each array.
    std::uint32_t v4_leaves = 0;
    std::uint32_t v6_leaves = 0;
    std::uint32_t v4_blocks = 0;
    std::uint32_t v6_blocks = 0;
    std::uint32_t lows = 0;
    std::uint32_t groups = 0;
    std::array<std::uint8_t, 32> reserved{};
};
static_assert(sizeof(PrefixTableHeader) == kCacheLineBytes);

struct PrefixLevel {
    std::uint32_t first_block = 0;
    std::uint32_t keys = 0;  // as many as there are blocks, or leaves, in the level below
};

// One service's lists as one.
struct alignas(kCacheLineBytes) PrefixList {
    std::array<PrefixLevel, kV4Levels> v4{};  // the lowest first
    std::array<PrefixLevel, kV6Levels> v6{};
    std::uint32_t v4_first_leaf = 0;
    std::uint32_t v6_first_leaf = 0;
    std::uint8_t v4_depth = 0;  // levels in use
    std::uint8_t v6_depth = 0;
    std::uint8_t has_v4 = 0;  // has leaves
    std::uint8_t has_v6 = 0;
    std::uint8_t denies_others = 0;  // what holds for a source that no prefix contains
    std::array<std::uint8_t, 35> reserved{};
};
static_assert(sizeof(PrefixList) == 2 * kCacheLineBytes);

enum class SourceMatch : std::uint8_t {
    kNone,
    kAllow,
    kDeny
};

// The longest prefix of a list that contains an address, and the list it stands in.
struct SourceRule {
    SourceMatch match = SourceMatch::kNone;
    std::uint8_t length = 0;

    friend constexpr bool operator==(SourceRule, SourceRule) = default;
};

// Bits 0..1 the list, bit 2 kHasGroup, bits 8..15 the length.
inline constexpr PackedRule kHasGroup = 4;  // of a key: its starts are in a group
[[nodiscard]] constexpr PackedRule packed(SourceRule rule) noexcept {
    return static_cast<PackedRule>(static_cast<unsigned>(rule.match) |
                                   (unsigned{rule.length} << 8U));
}
[[nodiscard]] constexpr SourceRule unpacked(PackedRule raw) noexcept {
    constexpr unsigned kMatchMask = 3;
    return {static_cast<SourceMatch>(raw & kMatchMask), static_cast<std::uint8_t>(raw >> 8U)};
}

// A start of IPv6 within its group.
struct PrefixLow {
    std::uint64_t low = 0;
    PackedRule rule = 0;
    std::array<std::uint8_t, 6> reserved{};
};
static_assert(sizeof(PrefixLow) == 16);

inline constexpr std::uint64_t kPrefixListsAt = sizeof(PrefixTableHeader);

// What a slot has room for, and where in it each array stands. n prefixes have at most 2 n + 1
// starts; each may need a group, and each group a start of its own; the levels above the leaves
// have a fifteenth (IPv4) or a seventh (IPv6) of their number, and each level of a list a last
// block.
struct PrefixCapacity {
    std::uint64_t lists = 0;
    std::uint64_t prefixes = 0;

    [[nodiscard]] constexpr std::uint64_t starts() const { return 2 * prefixes + lists; }
    [[nodiscard]] constexpr std::uint64_t lows() const { return 2 * starts(); }
    [[nodiscard]] constexpr std::uint64_t groups() const { return starts() + 1; }
    [[nodiscard]] constexpr std::uint64_t v4_leaves() const {
        return starts() / kV4LeafKeys + lists + 1;
    }
    [[nodiscard]] constexpr std::uint64_t v6_leaves() const {
        return starts() / kV6LeafKeys + lists + 1;
    }
    [[nodiscard]] constexpr std::uint64_t v4_blocks() const {
        return v4_leaves() / (kV4BlockKeys - 1) + kV4Levels * lists;
    }
    [[nodiscard]] constexpr std::uint64_t v6_blocks() const {
        return v6_leaves() / (kV6BlockKeys - 1) + kV6Levels * lists;
    }
    [[nodiscard]] constexpr std::uint64_t v4_leaves_at() const {
        return kPrefixListsAt + lists * sizeof(PrefixList);
    }
    [[nodiscard]] constexpr std::uint64_t v6_leaves_at() const {
        return v4_leaves_at() + v4_leaves() * kCacheLineBytes;
    }
    [[nodiscard]] constexpr std::uint64_t v4_blocks_at() const {
        return v6_leaves_at() + v6_leaves() * kCacheLineBytes;
    }
    [[nodiscard]] constexpr std::uint64_t v6_blocks_at() const {
        return v4_blocks_at() + v4_blocks() * kCacheLineBytes;
    }
    [[nodiscard]] constexpr std::uint64_t lows_at() const {
        return v6_blocks_at() + v6_blocks() * kCacheLineBytes;
    }
    [[nodiscard]] constexpr std::uint64_t groups_at() const {
        return lows_at() + lows() * sizeof(PrefixLow);
    }
    [[nodiscard]] constexpr std::uint64_t bytes() const {
        return groups_at() + groups() * sizeof(std::uint32_t);
    }
};

}  // namespace fairlead::shm
