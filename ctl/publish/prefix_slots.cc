#include "ctl/publish/prefix_slots.h"

#include <algorithm>
#include <map>
#include <utility>

namespace fairlead::publish {

namespace {

[[nodiscard]] bool same_prefixes(const std::vector<prefix::Lists>& one,
                                 const std::vector<prefix::Lists>& other) {
    return std::equal(
        one.begin(), one.end(), other.begin(), other.end(), prefix::have_same_prefixes);
}

}  // namespace

void PrefixSlots::recover(std::uint32_t slot_number, std::uint64_t generation) {
    if (slot_number >= 1 && slot_number <= shm::kPrefixTables) {
        slot_ = slot_number - 1;
        is_known_ = false;
    }
    for (std::uint32_t slot = 0; slot < shm::kPrefixTables; ++slot) {
        if (slot != slot_) {
            pool_.retire(slot, generation);
        }
    }
    pool_.start_fresh_at(shm::kPrefixTables);
}

Result<PlannedPrefixes> PrefixSlots::plan(const std::vector<DesiredService>& services,
                                          std::uint64_t lowest,
                                          Acknowledgements& acknowledgements) {
    PlannedPrefixes planned;
    using Key = std::pair<const void*, const void*>;
    std::map<Key, std::uint32_t> numbers;
    for (const DesiredService& service : services) {
        const prefix::Lists& lists = service.sources;
        if (lists.empty()) {
            planned.list_of_service.push_back(0);
            continue;
        }
        const auto next = static_cast<std::uint32_t>(planned.lists.size() + 1);
        const auto [number, is_new] =
            numbers.emplace(Key{lists.allow.get(), lists.deny.get()}, next);
        if (is_new) {
            planned.lists.push_back(lists);
        }
        planned.list_of_service.push_back(number->second);
    }
    if (planned.lists.empty()) {
        return planned;
    }
    if (is_known_ && slot_ && (planned.lists == lists_ || same_prefixes(planned.lists, lists_))) {
        planned.slot = slot_;
        return planned;
    }
    Result<prefix::TableContent> content = prefix::build_prefix_table(planned.lists);
    if (!content) {
        return Unexpected{content.error()};
    }
    if (slot_ && prefix::holds_prefix_table(*content, file_.prefix_table(*slot_))) {
        planned.slot = slot_;  // a predecessor's
        return planned;
    }
    planned.slot = pool_.take(lowest);
    if (!planned.slot) {
        return fail("no free prefix table: " + acknowledgements.slowest() +
                    " has not acknowledged the last changes; if it stays so, restart lbdp");
    }
    if (Status there = file_.reserve_prefix_table(*planned.slot, *content); !there) {
        pool_.give_back(*planned.slot);
        return Unexpected{there.error()};
    }
    planned.content = std::move(*content);
    return planned;
}

void PrefixSlots::give_up(const PlannedPrefixes& planned) {
    if (planned.content) {
        pool_.give_back(*planned.slot);
    }
}

void PrefixSlots::store(const PlannedPrefixes& planned) const {
    if (planned.content) {
        prefix::store_prefix_table(*planned.content, file_.prefix_table(*planned.slot));
    }
}

void PrefixSlots::commit(const PlannedPrefixes& planned, std::uint64_t generation) {
    if (slot_ && slot_ != planned.slot) {
        pool_.retire(*slot_, generation);
    }
    slot_ = planned.slot;
    lists_ = planned.lists;
    is_known_ = true;
}

std::size_t PrefixSlots::prefix_count() const {
    std::size_t count = 0;
    for (const prefix::Lists& lists : lists_) {
        count += lists.size();
    }
    return count;
}

}  // namespace fairlead::publish
