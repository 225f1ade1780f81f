// Working a change out in full before anything of it is stored: numbers, the next snapshot.
#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <type_traits>

#include "ctl/publish/publisher_state.h"
#include "ctl/publish/ranges.h"
#include "dp/shm/snapshot.h"

namespace fairlead::publish {

namespace {

[[nodiscard]] Unexpected<Error> no_slot(const char* what, Acknowledgements& acknowledgements) {
    return fail(std::string("no free ") + what + ": " + acknowledgements.slowest() +
                " has not acknowledged the last changes; if it stays so, restart lbdp");
}

// One whose name is too long, or that stands there twice: by name and address, or by name where
// both are in the ring. nullptr: there is none.
[[nodiscard]] const DesiredBackend* unfit_backend(const DesiredService& service) {
    std::vector<const DesiredBackend*> by_name;
    by_name.reserve(service.backends.size());
    for (const DesiredBackend& backend : service.backends) {
        if (backend.name.size() >= shm::kNameBytes) {
            return &backend;
        }
        by_name.push_back(&backend);
    }
    std::sort(by_name.begin(), by_name.end(), [](const auto* a, const auto* b) {
        return std::tie(a->name, a->address) < std::tie(b->name, b->address);
    });
    const DesiredBackend* last_in_ring = nullptr;
    for (std::size_t i = 0; i < by_name.size(); ++i) {
        const DesiredBackend* const backend = by_name[i];
        if (i > 0 && backend->name == by_name[i - 1]->name &&
            backend->address == by_name[i - 1]->address) {
            return backend;
        }
        if (backend->ring_weight != 0) {
            if (last_in_ring != nullptr && last_in_ring->name == backend->name) {
                return backend;
            }
            last_in_ring = backend;
        }
    }
    return nullptr;
}

[[nodiscard]] Status check(const DesiredTables& desired) {
    if (desired.ports.size() > shm::kMaxPorts) {
        return fail("more than " + std::to_string(shm::kMaxPorts) + " ports");
    }
    for (const DesiredPort& port : desired.ports) {
        if (port.name.size() >= shm::kNameBytes) {
            return fail("port name \"" + port.name + "\" is longer than " +
                        std::to_string(shm::kNameBytes - 1) + " bytes");
        }
    }
    if (desired.services.size() > shm::kMaxServices) {
        return fail("more than " + std::to_string(shm::kMaxServices) + " services");
    }
    std::set<ServiceKey> keys;
    std::set<std::string_view> names;
    std::size_t backend_count = 0;
    for (const DesiredService& service : desired.services) {
        if (!keys.insert(key_of(service)).second || !names.insert(service.name).second) {
            return fail("service \"" + service.name +
                        "\" has the name, or the VIP, protocol and port of another one");
        }
        if (service.name.size() >= shm::kNameBytes) {
            return fail("service name \"" + service.name + "\" is longer than " +
                        std::to_string(shm::kNameBytes - 1) + " bytes");
        }
        if (const DesiredBackend* const bad = unfit_backend(service)) {
            return fail("backend \"" + service.name + "/" + bad->name +
                        "\" stands there twice, or its name is too long");
        }
        backend_count += service.backends.size();
    }
    if (backend_count > shm::kMaxBackends) {
        return fail("more than " + std::to_string(shm::kMaxBackends) + " backends");
    }
    return check_ranges(desired.services);
}

[[nodiscard]] shm::ServiceRecord record_of(const DesiredService& service,
                                           std::uint32_t id,
                                           const PublishedRing& ring) {
    shm::ServiceRecord record{};
    record.vip = service.vip;
    record.port = Be16::from_host(service.port);
    record.protocol = service.protocol;
    record.mode = service.mode;
    record.id = ServiceId{id};
    record.ring = ring.slot.value_or(0);
    record.ring_entries = ring.slot ? shm::kRingEntries : 0;
    record.ring_fingerprint = ring.fingerprint;
    record.source_prefix_bits = service.source_prefix_bits;
    record.last_port = Be16::from_host(service.last_port);
    record.packets_per_second = service.packets_per_second;
    record.new_flows_per_second = service.new_flows_per_second;
    return record;
}

// What this service wants of its VIP at this moment, as bits of shm::VipPolicy.
[[nodiscard]] std::uint8_t vip_policy_of(const DesiredService& service, const PublishedRing& ring) {
    const bool answers = service.echo == EchoPolicy::kAlways ||
                         (service.echo == EchoPolicy::kWhenUp && ring.slot.has_value());
    return static_cast<std::uint8_t>((answers ? shm::kAnswersEcho : 0) |
                                     (service.rejects_unmatched ? shm::kRejectsUnmatched : 0));
}

// Puts a record into the first free bucket of its probe sequence.
[[nodiscard]] bool insert(std::vector<shm::ServiceRecord>& buckets,
                          const shm::ServiceRecord& record) {
    std::size_t bucket = shm::service_bucket(record.vip, record.port, record.protocol);
    for (std::uint32_t probe = 0; probe < shm::kServiceProbes; ++probe, ++bucket) {
        shm::ServiceRecord& place = buckets[bucket & (buckets.size() - 1)];
        if (place.protocol == shm::kEmptyBucket) {
            place = record;
            return true;
        }
    }
    return false;
}

// The smallest table, at most half full, in which every record is found within the bounded probe.
[[nodiscard]] std::vector<shm::ServiceRecord> hash_table(
    const std::vector<shm::ServiceRecord>& records) {
    std::size_t size = std::bit_ceil(std::max<std::size_t>(2 * records.size(), 8));
    for (; size <= shm::kServiceBuckets; size *= 2) {
        std::vector<shm::ServiceRecord> buckets(size);
        if (std::all_of(records.begin(), records.end(), [&](const shm::ServiceRecord& record) {
                return insert(buckets, record);
            })) {
            return buckets;
        }
    }
    return {};
}

[[nodiscard]] std::string_view name_in(const shm::Name& name) {
    return {name.data(), ::strnlen(name.data(), name.size())};
}

// Of records without padding that the compiler would be free to leave as it is.
template <typename Record>
[[nodiscard]] bool same_bytes(const Record& a, const Record& b) {
    static_assert(std::has_unique_object_representations_v<Record>);
    return std::memcmp(&a, &b, sizeof a) == 0;
}

}  // namespace

Status PublisherState::make_plan(const DesiredTables& desired, Shortage shortage, Plan& plan) {
    if (Status good = check(desired); !good) {
        return good;
    }
    std::vector<std::string_view> ports;
    for (const DesiredPort& port : desired.ports) {
        ports.push_back(port.name);
    }
    port_numbers.follow(ports);
    const std::uint64_t lowest = acknowledgements.lowest();
    unpublish_acknowledged(lowest);
    const Renames renames = follow_renames(desired);
    plan_numbers(desired, plan, lowest);
    Status planned = plan_rings(desired, shortage, plan, lowest);
    if (planned) {
        auto lists = prefixes.plan(desired.services, lowest, acknowledgements);
        if (lists) {
            plan.prefixes = std::move(*lists);
        } else {
            planned = Unexpected{lists.error()};
        }
    }
    if (planned) {
        planned = plan_snapshot(desired, plan, lowest);
    }
    if (!planned) {
        give_up(plan);
        for (const auto& [from, to] : renames) {
            rename_service(to, from);
        }
    }
    return planned;
}

void PublisherState::wait(Plan& plan) const {
    ++plan.waiting;
    if (plan.why.empty() && acknowledgements.lowest() < generation()) {
        plan.why = acknowledgements.slowest() + " has not acknowledged the last changes";
    }
}

PublisherState::Renames PublisherState::follow_renames(const DesiredTables& desired) {
    std::map<ServiceKey, const std::string*> new_ones;
    std::set<std::string_view> names;
    for (const DesiredService& service : desired.services) {
        names.insert(service.name);
        if (!services.contains(service.name)) {
            new_ones.emplace(key_of(service), &service.name);
        }
    }
    Renames renames;
    if (new_ones.empty()) {
        return renames;
    }
    for (const auto& [name, service] : services) {
        const auto found = new_ones.find(service.key);
        if (found != new_ones.end() && !names.contains(name)) {
            renames.emplace_back(name, *found->second);
        }
    }
    for (const auto& [from, to] : renames) {
        rename_service(from, to);
    }
    return renames;
}

void PublisherState::rename_service(const std::string& from, const std::string& to) {
    auto service = services.extract(from);
    service.key() = to;
    set_name(file.service_info(service.mapped().id).name, to);
    services.insert(std::move(service));
    for (auto it = backends.lower_bound(BackendKeyView{from, "", IpAddress{}});
         it != backends.end() && std::get<0>(it->first) == from;) {
        auto backend = backends.extract(it++);
        std::get<0>(backend.key()) = to;
        set_name(file.backend_info(backend.mapped()).service, to);
        backends.insert(std::move(backend));
    }
}

void PublisherState::plan_numbers(const DesiredTables& desired, Plan& plan, std::uint64_t lowest) {
    for (const DesiredService& service : desired.services) {
        const auto known_service = services.find(service.name);
        if (known_service != services.end()) {
            plan.service_ids.push_back(known_service->second.id);
        } else if (const auto inherited = inherited_services_.find(service.name);
                   inherited != inherited_services_.end()) {
            plan.service_ids.push_back(inherited->second);
        } else if (const auto id = service_slots_.take(lowest)) {
            plan.service_ids.push_back(*id);
            plan.new_service_ids.push_back(*id);
        } else {
            plan.service_ids.push_back(kWaits);
            plan.backend_indices.emplace_back(service.backends.size(), kWaits);
            plan.has_other_places.push_back(false);
            wait(plan);
            continue;
        }
        plan_backends(service, plan, lowest);
    }
}

void PublisherState::plan_backends(const DesiredService& service,
                                   Plan& plan,
                                   std::uint64_t lowest) {
    const auto published = services.find(service.name);
    const auto places = published == services.end()
                            ? std::span<const PublishedBackends::value_type* const>{}
                            : std::span(published->second.places);
    bool has_other_places = places.size() != service.backends.size();
    std::vector<std::uint32_t>& indices = plan.backend_indices.emplace_back();
    indices.reserve(service.backends.size());
    for (std::size_t i = 0; i < service.backends.size(); ++i) {
        const DesiredBackend& backend = service.backends[i];
        if (i < places.size() && std::get<2>(places[i]->first) == backend.address &&
            std::get<1>(places[i]->first) == backend.name) {
            indices.push_back(places[i]->second);
            continue;
        }
        has_other_places = true;
        const BackendKeyView key{service.name, backend.name, backend.address};
        const std::size_t position = plan.backend_indices.size() - 1;
        if (const auto there = backends.find(key); there != backends.end()) {
            indices.push_back(there->second);
        } else if (const auto inherited = inherited_backends_.find(key);
                   inherited != inherited_backends_.end()) {
            indices.push_back(inherited->second);
            plan.new_backends.push_back({position, i, inherited->second, true});
        } else if (const auto index = backend_slots_.take(lowest)) {
            indices.push_back(*index);
            plan.new_backends.push_back({position, i, *index, false});
        } else {
            indices.push_back(kWaits);
            wait(plan);
        }
    }
    plan.has_other_places.push_back(has_other_places);
}

Status PublisherState::plan_snapshot(const DesiredTables& desired,
                                     Plan& plan,
                                     std::uint64_t lowest) {
    std::vector<shm::ServiceRecord> records;
    std::map<IpAddress, std::size_t> marks;  // by position in `records`
    for (std::size_t i = 0; i < desired.services.size(); ++i) {
        const DesiredService& service = desired.services[i];
        if (plan.service_ids[i] == kWaits) {
            continue;
        }
        std::vector<shm::ServiceRecord>& place = service.last_port == 0 ? records : plan.ranges;
        place.push_back(record_of(service, plan.service_ids[i], plan.rings[i].ring));
        place.back().prefix_list = plan.prefixes.list_of_service[i];
        const auto [mark_place, is_new] = marks.emplace(service.vip, records.size());
        if (is_new) {
            shm::ServiceRecord& mark = records.emplace_back();
            mark.vip = service.vip;
            mark.protocol = shm::kVipMark;
            mark.id = kNoServiceId;
        }
        std::uint8_t& policy = records[mark_place->second].vip_policy;
        policy = static_cast<std::uint8_t>(policy | vip_policy_of(service, plan.rings[i].ring));
    }
    arrange_ranges(plan.ranges, records);
    plan.buckets = hash_table(records);
    if (plan.buckets.empty()) {
        return fail("the service keys collide too often to be stored; change a VIP or a port");
    }
    if (!snapshot_differs(desired, plan)) {
        return {};
    }
    plan.snapshot_slot = snapshot_slots_.take(lowest);
    if (!plan.snapshot_slot) {
        return no_slot("snapshot", acknowledgements);
    }
    return file.reserve_snapshot(*plan.snapshot_slot, plan.buckets.size(), plan.ranges.size());
}

bool PublisherState::snapshot_differs(const DesiredTables& desired, const Plan& plan) const {
    const std::uint32_t root = file.header().root.load(std::memory_order_relaxed);
    if (root >= shm::kSnapshotSlots || generation() == 0) {
        return true;
    }
    const shm::SnapshotHeader& current = file.snapshot(root);
    if (current.flow_hash_seed != desired.flow_hash_seed ||
        current.bucket_mask + 1 != plan.buckets.size() ||
        current.prefix_table != plan.prefixes.slot_number() ||
        current.port_count != port_numbers.count() || current.range_count != plan.ranges.size()) {
        return true;
    }
    for (std::size_t i = 0; i < desired.ports.size(); ++i) {
        const std::size_t number = to_number(port_numbers.at(i));
        if (!same_bytes(port_record(desired.ports[i]), current.ports.at(number)) ||
            name_in(current.port_names.at(number)) != desired.ports[i].name ||
            current.virtual_macs.at(number) != desired.ports[i].virtual_macs) {
            return true;
        }
    }
    const auto differ = [](const auto& wanted, const auto& there) {
        using Record = typename std::decay_t<decltype(wanted)>::value_type;
        return !std::equal(wanted.begin(), wanted.end(), there.begin(), same_bytes<Record>);
    };
    return differ(plan.buckets, file.buckets(root)) || differ(plan.ranges, file.ranges(root));
}

void PublisherState::give_up(const Plan& plan) {
    for (const std::uint32_t id : plan.new_service_ids) {
        service_slots_.give_back(id);
    }
    for (const NewBackend& backend : plan.new_backends) {
        if (!backend.is_inherited) {
            backend_slots_.give_back(backend.index);
        }
    }
    for (const Plan::Ring& ring : plan.rings) {
        if (!ring.content.empty() && ring.ring.slot) {
            ring_slots_.give_back(*ring.ring.slot);
        }
    }
    prefixes.give_up(plan.prefixes);
    if (plan.snapshot_slot) {
        snapshot_slots_.give_back(*plan.snapshot_slot);
    }
    // A refused change publishes nothing, but the indices that wait for a generation must get it,
    // or they would never be free.
    if (is_generation_due_) {
        raise_generation();
    }
}

}  // namespace fairlead::publish
