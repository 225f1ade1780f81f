// What the publisher remembers between two publications. Private to ctl/publish.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ctl/publish/port_numbers.h"
#include "ctl/publish/prefix_slots.h"
#include "ctl/publish/publisher.h"
#include "ctl/publish/slot_pool.h"
#include "ctl/publish/tables_file.h"

namespace fairlead::publish {

using BackendKey = std::tuple<std::string, std::string, IpAddress>;  // service, name, address

// A ring's input: (name, weight, index) of every backend in it, in order of name.
struct RingMember {
    std::string name;
    std::uint32_t weight = 0;
    std::uint32_t index = 0;
    friend bool operator==(const RingMember&, const RingMember&) = default;
};

struct PublishedRing {
    std::optional<std::uint32_t> slot;               // nullopt: no backend is in
    std::optional<std::vector<RingMember>> members;  // nullopt: a predecessor's, not known
    std::uint32_t fingerprint = 0;
};

struct PublishedService {
    std::uint32_t id = 0;
    PublishedRing ring;
    std::uint64_t moved_entries = 0;
};

// A change worked out in full, with every slot that it needs taken, before anything of it is
// stored.
struct Plan {
    struct Ring {
        PublishedRing ring;
        std::vector<std::uint16_t> content;  // backend indices; empty where the slot stays
        std::uint64_t moved = 0;
    };
    std::vector<std::uint32_t> service_ids;      // by position in DesiredTables::services
    std::vector<std::uint32_t> new_service_ids;  // of these, the ones just taken
    std::vector<std::vector<std::uint32_t>> backend_indices;
    std::vector<std::pair<BackendKey, std::uint32_t>> new_backends;
    std::vector<Ring> rings;  // by position of the service
    PlannedPrefixes prefixes;
    std::optional<std::uint32_t> snapshot_slot;  // nullopt: the one in force says it all
    std::vector<shm::ServiceRecord> buckets;     // of the new snapshot
    std::vector<shm::ServiceRecord> ranges;      // the same
};

// A port as the snapshot holds it.
[[nodiscard]] shm::PortRecord port_record(const DesiredPort& port);

class PublisherState {
  public:
    PublisherState(TablesFile tables, Acknowledgements& acks, CounterSource& totals);

    // Reads what a predecessor left, and raises the generation before any slot of it is reused.
    void recover();
    [[nodiscard]] Result<std::uint64_t> publish(const DesiredTables& desired);

    TablesFile file;
    Acknowledgements& acknowledgements;
    CounterSource& counters;

    std::map<std::string, PublishedService, std::less<>> services;
    std::map<BackendKey, std::uint32_t> backends;
    Known known;
    PrefixSlots prefixes;
    PortNumbers port_numbers;

  private:
    [[nodiscard]] std::uint64_t generation() const;
    void raise_generation();
    void recover_services(std::vector<bool>& ring_used, std::vector<bool>& id_used);
    void recover_backends();
    void recover_identities();
    // The index below which none is fresh.
    [[nodiscard]] std::uint32_t first_fresh_backend() const;

    [[nodiscard]] Status make_plan(const DesiredTables& desired, Plan& plan);
    [[nodiscard]] Status plan_numbers(const DesiredTables& desired,
                                      Plan& plan,
                                      std::uint64_t lowest);
    [[nodiscard]] Status plan_ring(const DesiredService& service, Plan& plan, std::uint64_t lowest);
    [[nodiscard]] Status plan_snapshot(const DesiredTables& desired,
                                       Plan& plan,
                                       std::uint64_t lowest);
    [[nodiscard]] bool snapshot_differs(const DesiredTables& desired, const Plan& plan) const;
    void give_up(const Plan& plan);

    void store_new_records(const DesiredTables& desired, const Plan& plan);
    void store_backend(ServiceId service_id,
                       const DesiredService& service,
                       const DesiredBackend& backend,
                       std::uint32_t index,
                       bool is_inherited);
    void raise_incarnation(std::uint32_t index,
                           const DesiredService& service,
                           const DesiredBackend& backend);
    [[nodiscard]] shm::BackendWord word_of(const DesiredBackend& backend,
                                           shm::BackendWord now) const;
    void store_snapshot(const DesiredTables& desired, const Plan& plan);
    void update_words(const DesiredTables& desired, const Plan& plan);
    void retire_old(const DesiredTables& desired, const Plan& plan, std::uint32_t old_snapshot);
    void unpublish_acknowledged(std::uint64_t lowest);
    // Takes memory for the next change while there is some, so that a backend that dies can be
    // taken out of the rings also when something else has filled the run directory.
    void reserve_spares(const Plan& plan);

    SlotPool snapshot_slots_;
    SlotPool ring_slots_;
    std::uint32_t reserved_rings_ = 0;  // the first so many have their memory
    SlotPool backend_slots_;
    SlotPool service_slots_;
    // What was found in a file that nobody has followed yet: indices and numbers that a file of
    // another layout had given, until the first generation (identities.h).
    std::map<BackendKey, std::uint32_t> inherited_backends_;
    std::map<std::string, std::uint32_t, std::less<>> inherited_services_;
    // Backends that the generation beside them no longer refers to, still marked published.
    std::deque<std::pair<std::uint32_t, std::uint64_t>> leaving_;
    // Words were taken back since the generation was last raised (word-last).
    bool is_generation_due_ = false;
};

}  // namespace fairlead::publish
