// What the publisher remembers between two publications. Private to ctl/publish.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
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
using BackendKeyView = std::tuple<std::string_view, std::string_view, IpAddress>;

// A key may be looked for by its view.
struct BackendKeyLess {
    using is_transparent = void;
    template <typename One, typename Other>
    [[nodiscard]] bool operator()(const One& one, const Other& other) const {
        const auto view = [](const auto& key) {
            return BackendKeyView{std::get<0>(key), std::get<1>(key), std::get<2>(key)};
        };
        return view(one) < view(other);
    }
};
using PublishedBackends = std::map<BackendKey, std::uint32_t, BackendKeyLess>;  // to the index

// In place of a number, index or slot that is not free yet.
inline constexpr std::uint32_t kWaits = 0xFFFF'FFFF;

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

// VIP, port, last port, protocol: what a service is for its clients, whatever its name.
using ServiceKey = std::tuple<IpAddress, std::uint16_t, std::uint16_t, std::uint8_t>;

struct PublishedService {
    std::uint32_t id = 0;
    ServiceKey key;
    PublishedRing ring;
    std::uint64_t moved_entries = 0;
    // Its backends in the order in which they were desired last, so that one that is there still is
    // found without a search.
    std::vector<const PublishedBackends::value_type*> places;
};

// One that gets a record, by its position in DesiredTables.
struct NewBackend {
    std::size_t service = 0;
    std::size_t backend = 0;
    std::uint32_t index = 0;
    bool is_inherited = false;
};

// One step of a change worked out in full, with every slot that it needs taken, before anything of
// it is stored. What found no slot is not in it (publisher.h, steps).
struct Plan {
    struct Ring {
        // As it will be. One that stays, or waits, has its slot and fingerprint here alone.
        PublishedRing ring;
        bool stays = false;
        bool waits = false;                  // the one in force stays for this step
        std::vector<std::uint16_t> content;  // backend indices; empty where the slot stays
        std::uint64_t moved = 0;
    };
    std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
    std::vector<std::uint32_t> service_ids;  // by position in DesiredTables::services, or kWaits
    std::vector<std::uint32_t> new_service_ids;               // of these, the ones just taken
    std::vector<std::vector<std::uint32_t>> backend_indices;  // or kWaits
    std::vector<NewBackend> new_backends;
    std::vector<bool> has_other_places;  // by position of the service
    std::vector<Ring> rings;             // by position of the service
    std::size_t waiting = 0;  // services and backends without a number, rings without a slot
    std::string why;          // as Published::why
    PlannedPrefixes prefixes;
    std::optional<std::uint32_t> snapshot_slot;  // nullopt: the one in force says it all
    std::vector<shm::ServiceRecord> buckets;     // of the new snapshot
    std::vector<shm::ServiceRecord> ranges;      // the same
};

[[nodiscard]] inline ServiceKey key_of(const DesiredService& service) {
    return {service.vip, service.port, service.last_port, service.protocol};
}

inline void set_name(shm::Name& place, std::string_view text) {
    place.fill('\0');
    std::copy_n(text.begin(), std::min(text.size(), place.size() - 1), place.begin());
}

// A port as the snapshot holds it.
[[nodiscard]] shm::PortRecord port_record(const DesiredPort& port);

class PublisherState {
  public:
    PublisherState(TablesFile tables, Acknowledgements& acks, CounterSource& totals);

    // Reads what a predecessor left, and raises the generation before any slot of it is reused.
    void recover();
    [[nodiscard]] Result<Published> publish(const DesiredTables& desired, Shortage shortage);

    TablesFile file;
    Acknowledgements& acknowledgements;
    CounterSource& counters;

    std::map<std::string, PublishedService, std::less<>> services;
    PublishedBackends backends;
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

    [[nodiscard]] Status make_plan(const DesiredTables& desired, Shortage shortage, Plan& plan);
    using Renames = std::vector<std::pair<std::string, std::string>>;  // from, to
    // A service that has got another name keeps its number, its ring and its backends' indices.
    Renames follow_renames(const DesiredTables& desired);
    void rename_service(const std::string& from, const std::string& to);
    void plan_numbers(const DesiredTables& desired, Plan& plan, std::uint64_t lowest);
    void plan_backends(const DesiredService& service, Plan& plan, std::uint64_t lowest);
    [[nodiscard]] Status plan_rings(const DesiredTables& desired,
                                    Shortage shortage,
                                    Plan& plan,
                                    std::uint64_t lowest);
    // What a ring is made of is none of it yet: the numbers of those that are to be built, the ones
    // first that take a backend out.
    [[nodiscard]] std::vector<std::size_t> rings_to_build(const DesiredTables& desired, Plan& plan);
    // Into plan.rings[position], but for the slot.
    [[nodiscard]] Status build_ring(const DesiredService& service,
                                    std::size_t position,
                                    Plan& plan);
    void wait(Plan& plan) const;
    // For the one in force, where there is one.
    void let_wait(Plan& plan, std::size_t position, const DesiredService& service) const;
    [[nodiscard]] const PublishedRing* ring_in_force(const DesiredService& service) const;
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
    // Those that the new tables refer to, by index.
    [[nodiscard]] std::vector<bool> backends_in_use(const DesiredTables& desired,
                                                    const Plan& plan) const;
    void remember(const DesiredTables& desired, Plan& plan);
    void remember_places(const DesiredService& desired, PublishedService& service) const;
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
    PublishedBackends inherited_backends_;
    std::map<std::string, std::uint32_t, std::less<>> inherited_services_;
    // Backends that the generation beside them no longer refers to, still marked published.
    std::deque<std::pair<std::uint32_t, std::uint64_t>> leaving_;
    // Whose rings wait for memory, and of what they are to be: no reason to refuse the change of
    // another service.
    std::map<std::string, std::vector<RingMember>, std::less<>> short_of_memory_;
    // Words were taken back since the generation was last raised (word-last).
    bool is_generation_due_ = false;
};

}  // namespace fairlead::publish
