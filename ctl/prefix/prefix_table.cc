#include "ctl/prefix/prefix_table.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>

namespace fairlead::prefix {

namespace {

using shm::SourceMatch;
using shm::SourceRule;

struct Rule {
    AddressBits first;
    SourceRule rule;

    // A prefix stands before those that it contains.
    friend bool operator<(const Rule& a, const Rule& b) noexcept {
        return a.first != b.first ? a.first < b.first : a.rule.length < b.rule.length;
    }
};

// From here on, this rule.
using Start = Rule;

void collect(const PrefixList& list, bool is_v4, SourceMatch match, std::vector<Rule>& rules) {
    for (std::size_t i = 0; list && i < list->size(); ++i) {
        const IpPrefix& prefix = (*list)[i];
        if (prefix.address.is_v4() == is_v4) {
            rules.push_back({bits_of(prefix.address), {match, prefix.length}});
        }
    }
}

// The first address behind a prefix; nothing where the addresses end with it.
[[nodiscard]] std::optional<AddressBits> behind(const Rule& rule) noexcept {
    const AddressBits mask = masked({~std::uint64_t{0}, ~std::uint64_t{0}}, rule.rule.length);
    AddressBits next{rule.first.high | ~mask.high, rule.first.low | ~mask.low};
    next.low += 1;
    next.high += next.low == 0 ? 1 : 0;
    return next == AddressBits{} ? std::nullopt : std::optional(next);
}

// The ranges into which nested prefixes cut the addresses.
class Ranges {
  public:
    [[nodiscard]] static std::vector<Start> of(std::vector<Rule> rules) {
        Ranges ranges;
        std::sort(rules.begin(), rules.end());
        for (const Rule& rule : rules) {
            ranges.leave_before(rule.first);
            ranges.start(rule.first, rule.rule);
            ranges.around_.push_back(rule);
        }
        ranges.leave_all();
        return std::move(ranges.starts_);
    }

  private:
    // Ends the prefixes that are over where `first` begins, innermost first.
    void leave_before(const AddressBits& first) {
        while (!around_.empty()) {
            const std::optional<AddressBits> next = behind(around_.back());
            if (!next || first < *next) {
                return;
            }
            leave(*next);
        }
    }
    void leave_all() {
        while (!around_.empty()) {
            if (const std::optional<AddressBits> next = behind(around_.back())) {
                leave(*next);
            } else {
                around_.pop_back();
            }
        }
    }
    void leave(const AddressBits& next) {
        around_.pop_back();
        start(next, around_.empty() ? SourceRule{} : around_.back().rule);
    }
    void start(const AddressBits& first, SourceRule rule) {
        if (starts_.back().first == first) {
            starts_.back().rule = rule;
        } else if (starts_.back().rule != rule) {
            starts_.push_back({first, rule});
        }
    }

    std::vector<Start> starts_{Start{}};  // the first is 0 (K2)
    std::vector<Rule> around_;            // outermost first
};

// A key of a leaf.
template <typename Key>
struct LeafKey {
    Key key = 0;
    shm::PackedRule rule = 0;
};

// Appends leaves with these keys; returns the first key of each.
template <typename Key, typename Leaf>
[[nodiscard]] std::vector<Key> add_leaves(const std::vector<LeafKey<Key>>& keys,
                                          std::vector<Leaf>& leaves) {
    std::vector<Key> firsts;
    LeafKey<Key> filling{~Key{0}, keys.back().rule};
    if (keys.back().key != filling.key) {  // or it were taken for a key with that group
        filling.rule = static_cast<shm::PackedRule>(filling.rule & ~shm::kHasGroup);
    }
    for (std::size_t i = 0; i < keys.size(); i += Leaf{}.keys.size()) {
        Leaf& leaf = leaves.emplace_back();
        for (std::size_t slot = 0; slot < leaf.keys.size(); ++slot) {
            const LeafKey<Key>& key = i + slot < keys.size() ? keys[i + slot] : filling;
            leaf.keys[slot] = key.key;
            leaf.rules[slot] = key.rule;
        }
        firsts.push_back(keys[i].key);
    }
    return firsts;
}

// Appends the levels above these keys (K1), and tells how many there are.
template <typename Key, std::size_t kKeys, std::size_t kLevels>
[[nodiscard]] std::uint8_t add_levels(std::vector<Key> keys,
                                      std::vector<std::array<Key, kKeys>>& blocks,
                                      std::array<shm::PrefixLevel, kLevels>& levels) {
    std::uint8_t depth = 0;
    for (; keys.size() > 1 && depth < kLevels; ++depth) {
        levels[depth] = {static_cast<std::uint32_t>(blocks.size()),
                         static_cast<std::uint32_t>(keys.size())};
        std::vector<Key> above;
        for (std::size_t i = 0; i < keys.size(); i += kKeys) {
            std::array<Key, kKeys>& block = blocks.emplace_back();
            block.fill(~Key{0});
            const auto from = keys.begin() + static_cast<std::ptrdiff_t>(i);
            std::copy_n(from, std::min(kKeys, keys.size() - i), block.begin());
            above.push_back(block[0]);
        }
        keys = std::move(above);
    }
    return depth;
}

void add_v4(std::vector<Rule> rules, shm::PrefixList& list, TableContent& content) {
    if (rules.empty()) {
        return;
    }
    std::vector<LeafKey<std::uint32_t>> keys;
    for (const Start& start : Ranges::of(std::move(rules))) {
        keys.push_back({static_cast<std::uint32_t>(start.first.high >> (64 - kV4Bits)),
                        shm::packed(start.rule)});
    }
    list.has_v4 = 1;
    list.v4_first_leaf = static_cast<std::uint32_t>(content.v4_leaves.size());
    list.v4_depth = add_levels(add_leaves(keys, content.v4_leaves), content.v4_blocks, list.v4);
}

// The starts of one upper half: a key, and a group where that does not tell all.
[[nodiscard]] LeafKey<std::uint64_t> add_key(std::span<const Start> starts,
                                             SourceRule before,
                                             TableContent& content) {
    LeafKey<std::uint64_t> key{starts[0].first.high, shm::packed(starts.back().rule)};
    if (starts.size() == 1 && starts[0].first.low == 0) {
        return key;
    }
    key.rule = static_cast<shm::PackedRule>(key.rule | shm::kHasGroup);
    content.groups.push_back(static_cast<std::uint32_t>(content.lows.size()));
    if (starts[0].first.low != 0) {
        content.lows.push_back({0, shm::packed(before), {}});
    }
    for (const Start& start : starts) {
        content.lows.push_back({start.first.low, shm::packed(start.rule), {}});
    }
    return key;
}

void add_v6(std::vector<Rule> rules, shm::PrefixList& list, TableContent& content) {
    if (rules.empty()) {
        return;
    }
    std::vector<LeafKey<std::uint64_t>> keys;
    auto group = static_cast<std::uint32_t>(content.groups.size());
    const std::vector<Start> starts = Ranges::of(std::move(rules));
    for (std::size_t first = 0; first < starts.size();) {
        std::size_t end = first + 1;
        while (end < starts.size() && starts[end].first.high == starts[first].first.high) {
            ++end;
        }
        const SourceRule before = first == 0 ? SourceRule{} : starts[first - 1].rule;
        keys.push_back(add_key(std::span(starts).subspan(first, end - first), before, content));
        first = end;
    }
    list.has_v6 = 1;
    list.v6_first_leaf = static_cast<std::uint32_t>(content.v6_leaves.size());
    list.v6_depth = add_levels(add_leaves(keys, content.v6_leaves), content.v6_blocks, list.v6);
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (i % shm::kV6LeafKeys == 0) {
            content.v6_leaves[list.v6_first_leaf + i / shm::kV6LeafKeys].first_group = group;
        }
        group += (keys[i].rule & shm::kHasGroup) != 0 ? 1U : 0U;
    }
}

[[nodiscard]] std::optional<IpPrefix> in_both(const Lists& lists) {
    if (!lists.allow || !lists.deny) {
        return std::nullopt;
    }
    std::vector<IpPrefix> both;
    std::set_intersection(lists.allow->begin(),
                          lists.allow->end(),
                          lists.deny->begin(),
                          lists.deny->end(),
                          std::back_inserter(both));
    return both.empty() ? std::nullopt : std::optional(both.front());
}

// Calls part(where it stands, its bytes) for each part of the content.
template <typename Part>
void for_each_part(const TableContent& content, const Slot& slot, const Part& part) {
    const auto at = [&](std::uint64_t offset, std::span<const std::byte> bytes) {
        part(slot.bytes.subspan(offset, bytes.size()), bytes);
    };
    at(0, std::as_bytes(std::span(&content.header, 1)));
    at(shm::kPrefixListsAt, std::as_bytes(std::span(content.lists)));
    at(slot.capacity.v4_leaves_at(), std::as_bytes(std::span(content.v4_leaves)));
    at(slot.capacity.v6_leaves_at(), std::as_bytes(std::span(content.v6_leaves)));
    at(slot.capacity.v4_blocks_at(), std::as_bytes(std::span(content.v4_blocks)));
    at(slot.capacity.v6_blocks_at(), std::as_bytes(std::span(content.v6_blocks)));
    at(slot.capacity.lows_at(), std::as_bytes(std::span(content.lows)));
    at(slot.capacity.groups_at(), std::as_bytes(std::span(content.groups)));
}

[[nodiscard]] shm::PrefixTableHeader header_of(const TableContent& content, std::size_t prefixes) {
    shm::PrefixTableHeader header;
    header.list_count = static_cast<std::uint32_t>(content.lists.size());
    header.prefix_count = static_cast<std::uint32_t>(prefixes);
    header.v4_leaves = static_cast<std::uint32_t>(content.v4_leaves.size());
    header.v6_leaves = static_cast<std::uint32_t>(content.v6_leaves.size());
    header.v4_blocks = static_cast<std::uint32_t>(content.v4_blocks.size());
    header.v6_blocks = static_cast<std::uint32_t>(content.v6_blocks.size());
    header.lows = static_cast<std::uint32_t>(content.lows.size());
    header.groups = static_cast<std::uint32_t>(content.groups.size());
    return header;
}

}  // namespace

std::vector<std::span<std::byte>> places_of(const TableContent& content, const Slot& slot) {
    std::vector<std::span<std::byte>> places;
    for_each_part(content, slot, [&](std::span<std::byte> place, std::span<const std::byte>) {
        places.push_back(place);
    });
    return places;
}

void store_prefix_table(const TableContent& content, const Slot& slot) {
    for_each_part(content, slot, [](std::span<std::byte> place, std::span<const std::byte> bytes) {
        std::copy(bytes.begin(), bytes.end(), place.begin());
    });
}

bool holds_prefix_table(const TableContent& content, const Slot& slot) {
    bool is_same = true;
    // The header first: where it tells of other numbers, the rest may have no memory to be read.
    for_each_part(content, slot, [&](std::span<std::byte> place, std::span<const std::byte> bytes) {
        is_same = is_same && std::equal(bytes.begin(), bytes.end(), place.begin());
    });
    return is_same;
}

bool have_same_prefixes(const Lists& one, const Lists& other) {
    const auto same = [](const PrefixList& a, const PrefixList& b) {
        const bool is_empty = !a || a->empty();
        return a == b || (is_empty ? !b || b->empty() : b && *a == *b);
    };
    return same(one.allow, other.allow) && same(one.deny, other.deny);
}

Result<TableContent> build_prefix_table(std::span<const Lists> lists) {
    std::size_t prefixes = 0;
    for (const Lists& one : lists) {
        prefixes += one.size();
        if (const auto both = in_both(one)) {
            return fail(std::string(both->address.text().data()) + "/" +
                        std::to_string(both->length) + " is both allowed and denied");
        }
    }
    if (prefixes > shm::kMaxPrefixes || lists.size() > shm::kMaxPrefixLists) {
        return fail(std::to_string(prefixes) + " source prefixes in " +
                    std::to_string(lists.size()) + " different lists; there can be " +
                    std::to_string(shm::kMaxPrefixes) + " in " +
                    std::to_string(shm::kMaxPrefixLists));
    }
    TableContent content;
    for (const Lists& one : lists) {
        shm::PrefixList& list = content.lists.emplace_back();
        list.denies_others = one.allow && !one.allow->empty() ? 1 : 0;
        for (const bool is_v4 : {true, false}) {
            std::vector<Rule> rules;
            collect(one.allow, is_v4, SourceMatch::kAllow, rules);
            collect(one.deny, is_v4, SourceMatch::kDeny, rules);
            (is_v4 ? add_v4 : add_v6)(std::move(rules), list, content);
        }
    }
    content.groups.push_back(static_cast<std::uint32_t>(content.lows.size()));
    content.header = header_of(content, prefixes);
    return content;
}

}  // namespace fairlead::prefix
