// Keeps the maps by which the steering programs forward while no engine runs equal to `tables`
// (bpf/abi/steer_away.h has the maps, away_ring.h what is settled in them).
//
// A service gets one of the rings, in the order of the snapshot's table, and keeps it while it can
// be forwarded. It cannot, and is held, if it has lists or limits, no backend, another mode than l2
// and ipip, or any port beside ranges of its VIP. Held services stand in the map too: without them
// a packet for one would go by the service of any port.
//
// Thread: the control thread. The snapshot that is read stays valid meanwhile (vip_mirror.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "bpf/loader/steer_away.h"
#include "dp/base/result.h"
#include "dp/engine/away_ring.h"
#include "dp/flow/flow_entry.h"
#include "dp/shm/snapshot.h"

namespace fairlead::engine {

// Where it writes. Spans of the maps' sizes, which outlive the mirror.
struct AwayMaps {
    std::span<steer_ring> rings;
    std::span<steer_backend> backends;
    std::span<steer_port> ports;
    // Puts the record there in one step; nullptr takes it away.
    std::function<Status(const steer_service_key&, const steer_service*)> put;
};

class AwayMirror {
  public:
    // `known`: what the map of services holds.
    AwayMirror(AwayMaps maps, std::span<const SteerAwayService> known);

    // The kernel's number of each port's interface, by the port's number in the tables; 0: nothing
    // leaves there.
    void set_interfaces(std::vector<unsigned> indexes) { interfaces_ = std::move(indexes); }

    // Makes the maps equal to this generation, which no worker may follow before (steer_away.h,
    // A5). The error is the first; everything else is done all the same.
    [[nodiscard]] Status follow(const shm::TablesReader& tables, const shm::Snapshot& snapshot);
    // Backends and ports alone, which change without a generation.
    void refresh(const shm::TablesReader& tables, const shm::Snapshot& snapshot);

    // A flow table's entry, during a pass; and the pass's end.
    void see(const shm::TablesReader& tables, FlowEntry entry);
    void end_pass();
    // A pass would change nothing.
    [[nodiscard]] bool is_settled() const;

    // Services that could be forwarded if there were more rings.
    [[nodiscard]] std::size_t without_room() const { return without_room_; }

  private:
    using Key = std::array<std::uint8_t, sizeof(steer_service_key)>;
    static constexpr std::uint32_t kNoRing = STEER_MAX_RINGS;

    [[nodiscard]] static Key key_of(const shm::ServiceRecord& record);
    [[nodiscard]] static bool can_be_forwarded(const shm::ServiceRecord& record,
                                               std::size_t ring_entries,
                                               const shm::Snapshot& snapshot);
    void take_over(const SteerAwayService& known);
    [[nodiscard]] Status place(const Key& key,
                               const shm::ServiceRecord& record,
                               std::span<const std::uint16_t> ring,
                               const shm::Snapshot& snapshot);
    // The number of a ring for a service of this shape: the one that it has, or a free one.
    [[nodiscard]] std::uint32_t ring_for(const Key& key, const steer_service& wanted);
    // Stores the record, if it is another one; a ring that it no longer names becomes free then.
    [[nodiscard]] Status put(const Key& key, const steer_service& service);
    // Makes every backend that is to change unusable.
    void retire_backends(const shm::TablesReader& tables);
    void refresh_backend(std::uint32_t index, const shm::BackendRecord& record);

    AwayMaps maps_;
    std::vector<unsigned> interfaces_;
    std::map<Key, steer_service> services_;
    std::array<std::optional<AwayRing>, STEER_MAX_RINGS> rings_;
    std::vector<std::uint32_t> ring_of_service_;  // by ServiceId, kNoRing where it has none
    std::size_t without_room_ = 0;
};

}  // namespace fairlead::engine
