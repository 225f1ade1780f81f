// Whether the backend that an entry names still is that flow's: the one check for entries of the
// flow table, of the fragment table, and for the sweep.
//
// tracked-entry: an entry counts while its backend is published, keeps its flows, has the
// incarnation that it had when the entry was made, and belongs to the service of the packet.
#pragma once

#include <cstdint>

#include "dp/base/ids.h"
#include "dp/base/read_once.h"
#include "dp/forward/path/select.h"
#include "dp/shm/snapshot.h"

namespace fairlead {

[[nodiscard]] inline shm::BackendWord word_of(const shm::BackendRecord& record) noexcept {
    // Pairs with the release store of the daemon (tables.h, word-last): with kPublished, the
    // fields are valid.
    return shm::BackendWord(record.word.load(std::memory_order_acquire));
}

[[nodiscard]] inline bool keeps_flows(shm::BackendWord word, std::uint32_t incarnation) noexcept {
    return word.has_all(shm::BackendWord::kPublished | shm::BackendWord::kKeepsFlows, incarnation);
}

// For an entry of the flow or the fragment table, and a packet of `service`, which is compared so
// that a collision of hashes cannot cross from one service to another. Sets `selection` where it
// returns true.
[[nodiscard]] inline bool find_tracked(const shm::TablesReader& tables,
                                       BackendIndex backend,
                                       std::uint32_t incarnation,
                                       const shm::ServiceRecord& service,
                                       Selection& selection) noexcept {
    const shm::BackendRecord* const record = tables.backend(backend);
    if (record == nullptr) {
        return false;
    }
    const shm::BackendWord word = word_of(*record);
    if (!keeps_flows(word, incarnation) || read_once(record->service) != read_once(service.id)) {
        return false;
    }
    selection = {record, word};
    return true;
}

}  // namespace fairlead
