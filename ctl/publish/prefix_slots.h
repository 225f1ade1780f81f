// The prefix table in force, and the next one: which slot of `tables` holds which lists.
//
// A table is built only when lists have changed: while they are the same objects that is seen
// without looking at a prefix, and a reload that leaves the lists as they are costs one comparison.
// Plain memory of the daemon's loop. Private to ctl/publish.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ctl/prefix/prefix_table.h"
#include "ctl/publish/publisher.h"
#include "ctl/publish/slot_pool.h"
#include "ctl/publish/tables_file.h"
#include "dp/base/result.h"

namespace fairlead::publish {

struct PlannedPrefixes {
    std::vector<std::uint32_t> list_of_service;   // by position of the service; 0: none
    std::vector<prefix::Lists> lists;             // list n + 1
    std::optional<std::uint32_t> slot;            // nullopt: there are no lists
    std::optional<prefix::TableContent> content;  // to be stored in the slot; nullopt: it is there

    // For SnapshotHeader::prefix_table.
    [[nodiscard]] std::uint32_t slot_number() const { return slot ? *slot + 1 : 0; }
};

class PrefixSlots {
  public:
    explicit PrefixSlots(const TablesFile& file)
        : file_(file), pool_(shm::kPrefixTables, SlotPool::Prefer::kLowest) {}

    // Takes over what a predecessor's snapshot names: its SnapshotHeader::prefix_table.
    void recover(std::uint32_t slot_number, std::uint64_t generation);

    // What the services need. A slot is taken where the lists are new. Error: too many prefixes, no
    // free slot, or no memory for it, and then nothing is taken.
    [[nodiscard]] Result<PlannedPrefixes> plan(const std::vector<DesiredService>& services,
                                               std::uint64_t lowest,
                                               Acknowledgements& acknowledgements);
    void give_up(const PlannedPrefixes& planned);
    // Before the snapshot that names it is published.
    void store(const PlannedPrefixes& planned) const;
    // After it is, as `generation`: the slot that it no longer names is retired.
    void commit(const PlannedPrefixes& planned, std::uint64_t generation);

    [[nodiscard]] std::size_t prefix_count() const;

  private:
    const TablesFile& file_;
    SlotPool pool_;
    std::optional<std::uint32_t> slot_;  // in force
    std::vector<prefix::Lists> lists_;   // in it
    bool is_known_ = true;               // false: a predecessor's, whose lists nobody has told
};

}  // namespace fairlead::publish
