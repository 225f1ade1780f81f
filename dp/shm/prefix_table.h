// Which prefix of a list contains a source: a handful of cache lines, whatever the list.
//
// Theory of operation
//
// Prefixes that contain each other cut the addresses into ranges, in each of which one prefix is
// the longest. A list is kept as these ranges: where each starts, in order, and its rule. The
// search for the last start that is not behind an address goes down levels of sampled keys:
//
//   K1. A leaf has some starts with their rules: 10 of IPv4, 6 of IPv6, a cache line. The level
//       above has the first key of every leaf, each further level that of every block below: 16
//       keys a block for IPv4, 8 for IPv6. So the position of the last key that is not behind the
//       address is the number of the block, or leaf, to look into below.
//   K2. The first start is 0, so there always is one. What fills up the last block is the greatest
//       key; it is never meant, and in a leaf has the rule of the last start.
//   K3. A list of n prefixes has at most 2 n + 1 starts. So the search reads at most 5 lines for
//       IPv4 and 7 for IPv6 with the most prefixes there can be, 2 with ten; a line more each time
//       that a list becomes 16 or 8 times as long. Of these the leaf alone is rarely in cache.
//
// IPv6 keys are the upper 64 bits of starts. Where several starts share them, or one has lower bits
// too, they are a group, in the order of their lower 64 bits, the first of which are 0; that is so
// in a /64 that has longer prefixes inside. The leaf's rule is then that of the last start, which
// holds behind the group; an address inside is looked for in the group, by halves.
//
// Example: 10.0.0.0/8 (allow), 10.1.0.0/16 (deny). Starts: 0.0.0.0 none, 10.0.0.0 allow, 10.1.0.0
// deny, 10.2.0.0 allow, 11.0.0.0 none. 10.1.9.9 is behind the third and before the fourth: denied,
// by a /16.
//
// The reader trusts nothing: every position is checked before it is used, and the number of levels
// is bounded. A scribbled table can misjudge, and does no more than that. Keys are compared and not
// used otherwise, so they need not be read once. Thread: any; the slot must be in force.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "dp/base/read_once.h"
#include "dp/shm/prefix_layout.h"

namespace fairlead::shm {

struct SourceJudgement {
    bool is_denied = false;
    SourceRule rule;  // what decided; kNone: no prefix contains the source
};

// The arrays of a slot, as long as they are in use.
struct PrefixArrays {
    std::span<const PrefixList> lists;
    std::span<const PrefixLeafV4> v4_leaves;
    std::span<const PrefixLeafV6> v6_leaves;
    std::span<const PrefixBlockV4> v4_blocks;
    std::span<const PrefixBlockV6> v6_blocks;
    std::span<const PrefixLow> lows;
    std::span<const std::uint32_t> groups;  // where in `lows` each begins; at last, where they end
};

class PrefixTable {
  public:
    PrefixTable() = default;  // without lists
    explicit PrefixTable(const PrefixArrays& arrays) noexcept : arrays_(arrays) {}

    // Whether `list` is the number of a list. Without one there is nothing to judge by.
    [[nodiscard]] bool has(std::uint32_t list) const noexcept {
        return list - 1 < arrays_.lists.size();
    }

    // Whether this list denies this source. Requires has(list).
    [[nodiscard]] SourceJudgement judge(std::uint32_t list,
                                        const IpAddress& source) const noexcept {
        const PrefixList& record = arrays_.lists[list - 1];
        const SourceRule rule =
            source.is_v4() ? find_v4(record, source.v4().host()) : find_v6(record, bits_of(source));
        const bool is_denied = rule.match == SourceMatch::kNone
                                   ? read_once(record.denies_others) != 0
                                   : rule.match != SourceMatch::kAllow;
        return {is_denied, rule};
    }

  private:
    static constexpr std::uint32_t kNowhere = ~std::uint32_t{0};

    // How many of the keys are not behind `key`.
    template <typename Key, std::size_t kKeys>
    [[nodiscard]] static std::uint32_t not_behind(const std::array<Key, kKeys>& keys,
                                                  Key key) noexcept {
        std::uint32_t count = 0;
        for (const Key& each : keys) {
            count += each <= key ? 1U : 0U;
        }
        return count;
    }

    // The number of the leaf that has the last key that is not behind `key`.
    template <typename Key, std::size_t kKeys, std::size_t kLevels>
    [[nodiscard]] static std::uint32_t find_leaf(std::span<const std::array<Key, kKeys>> blocks,
                                                 const std::array<PrefixLevel, kLevels>& levels,
                                                 std::uint32_t depth,
                                                 Key key) noexcept {
        std::uint32_t position = 0;
        for (std::uint32_t level = std::min<std::uint32_t>(depth, kLevels); level-- > 0;) {
            const std::uint64_t block =
                std::uint64_t{read_once(levels[level].first_block)} + position;
            const std::uint32_t keys = read_once(levels[level].keys);
            if (block >= blocks.size() || keys == 0) {
                return kNowhere;
            }
            const std::uint32_t last = std::max(not_behind(blocks[block], key), 1U) - 1;
            position = std::min(position * static_cast<std::uint32_t>(kKeys) + last, keys - 1);
        }
        return position;
    }

    [[nodiscard]] SourceRule find_v4(const PrefixList& list, std::uint32_t address) const noexcept {
        const std::uint64_t number =
            std::uint64_t{read_once(list.v4_first_leaf)} +
            find_leaf(arrays_.v4_blocks, list.v4, read_once(list.v4_depth), address);
        if (number >= arrays_.v4_leaves.size() || read_once(list.has_v4) == 0) {
            return {};
        }
        const PrefixLeafV4& leaf = arrays_.v4_leaves[number];
        return unpacked(read_once(leaf.rules[std::max(not_behind(leaf.keys, address), 1U) - 1]));
    }

    [[nodiscard]] SourceRule find_v6(const PrefixList& list,
                                     const AddressBits& address) const noexcept {
        const std::uint64_t number =
            std::uint64_t{read_once(list.v6_first_leaf)} +
            find_leaf(arrays_.v6_blocks, list.v6, read_once(list.v6_depth), address.high);
        if (number >= arrays_.v6_leaves.size() || read_once(list.has_v6) == 0) {
            return {};
        }
        const PrefixLeafV6& leaf = arrays_.v6_leaves[number];
        const std::uint32_t last = std::max(not_behind(leaf.keys, address.high), 1U) - 1;
        const PackedRule rule = read_once(leaf.rules[last]);
        if ((rule & kHasGroup) != 0 && leaf.keys[last] == address.high) {
            return find_in_group(leaf, address);
        }
        return unpacked(rule);
    }

    // For an address whose upper bits are those of a key with a group.
    [[nodiscard]] SourceRule find_in_group(const PrefixLeafV6& leaf,
                                           const AddressBits& address) const noexcept {
        std::uint64_t group = read_once(leaf.first_group);
        for (std::size_t i = 0; i < kV6LeafKeys && leaf.keys[i] < address.high; ++i) {
            group += (read_once(leaf.rules[i]) & kHasGroup) != 0 ? 1U : 0U;
        }
        if (group + 1 >= arrays_.groups.size()) {
            return {};
        }
        std::uint32_t first = read_once(arrays_.groups[group]);
        std::uint32_t end = read_once(arrays_.groups[group + 1]);
        if (first >= end || end > arrays_.lows.size()) {
            return {};
        }
        while (end - first > 1) {
            const std::uint32_t middle = first + (end - first) / 2;
            if (read_once(arrays_.lows[middle].low) <= address.low) {
                first = middle;
            } else {
                end = middle;
            }
        }
        return unpacked(read_once(arrays_.lows[first].rule));
    }

    PrefixArrays arrays_;
};

}  // namespace fairlead::shm
