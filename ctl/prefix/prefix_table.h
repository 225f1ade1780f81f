// Allow and deny lists in, the content of a prefix table out (dp/shm/prefix_table.h).
//
// The content depends on the lists and their order alone, never on what was there before. A hundred
// thousand prefixes take some tens of milliseconds. Thread: any; no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dp/base/result.h"
#include "dp/net/ip_prefix.h"
#include "dp/shm/prefix_table.h"

namespace fairlead::prefix {

// Ascending, each prefix once. Shared and never changed, so that it is copied and compared by its
// address; nullptr is an empty list.
using PrefixList = std::shared_ptr<const std::vector<IpPrefix>>;

struct Lists {
    PrefixList allow;
    PrefixList deny;

    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    [[nodiscard]] std::size_t size() const noexcept {
        return (allow ? allow->size() : 0) + (deny ? deny->size() : 0);
    }
    friend bool operator==(const Lists&, const Lists&) = default;  // the same, not only equal
};

[[nodiscard]] bool have_same_prefixes(const Lists& one, const Lists& other);

struct TableContent {
    shm::PrefixTableHeader header;
    std::vector<shm::PrefixList> lists;
    std::vector<shm::PrefixLeafV4> v4_leaves;
    std::vector<shm::PrefixLeafV6> v6_leaves;
    std::vector<shm::PrefixBlockV4> v4_blocks;
    std::vector<shm::PrefixBlockV6> v6_blocks;
    std::vector<shm::PrefixLow> lows;
    std::vector<std::uint32_t> groups;

    // The same as the engine reads it.
    [[nodiscard]] shm::PrefixTable table() const {
        return shm::PrefixTable({lists, v4_leaves, v6_leaves, v4_blocks, v6_blocks, lows, groups});
    }
};

// One table for all of `lists`; number n + 1 is lists[n]. Errors: more than a table can hold (the
// message says the limit); a prefix that one service both allows and denies.
[[nodiscard]] Result<TableContent> build_prefix_table(std::span<const Lists> lists);

// A slot of a segment, and what it has room for.
struct Slot {
    std::span<std::byte> bytes;
    shm::PrefixCapacity capacity;
};

// The bytes of the slot that the content takes, part by part; the rest is not touched.
[[nodiscard]] std::vector<std::span<std::byte>> places_of(const TableContent& content,
                                                          const Slot& slot);

// Requires a slot that has room for so many lists and prefixes.
void store_prefix_table(const TableContent& content, const Slot& slot);
// Whether the slot holds the same already.
[[nodiscard]] bool holds_prefix_table(const TableContent& content, const Slot& slot);

}  // namespace fairlead::prefix
