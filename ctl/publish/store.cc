// Storing a worked-out change, in the order that dp/shm/tables.h demands
// (root-before-generation, acknowledged-before-reuse, word-last).
#include <algorithm>
#include <cstring>
#include <utility>

#include "ctl/publish/publisher_state.h"

namespace fairlead::publish {

namespace {

// In force, waiting for acknowledgements, and the next.
constexpr std::uint32_t kSpareSnapshots = 3;

}  // namespace

std::uint64_t PublisherState::generation() const {
    return file.header().generation.load(std::memory_order_relaxed);
}

void PublisherState::raise_generation() {
    // Release: a worker that acquires this generation sees the root, and all that the root reaches.
    file.header().generation.store(generation() + 1, std::memory_order_release);
    is_generation_due_ = false;
}

Result<Published> PublisherState::publish(const DesiredTables& desired, Shortage shortage) {
    Plan plan;
    if (Status planned = make_plan(desired, shortage, plan); !planned) {
        return Unexpected{planned.error()};
    }
    store_new_records(desired, plan);
    const std::uint32_t old_snapshot = file.header().root.load(std::memory_order_relaxed);
    prefixes.store(plan.prefixes);
    if (plan.snapshot_slot) {
        store_snapshot(desired, plan);
    }
    if (plan.snapshot_slot || is_generation_due_) {
        raise_generation();
    }
    update_words(desired, plan);
    retire_old(desired, plan, old_snapshot);
    reserve_spares(plan);
    remember(desired, plan);
    return Published{generation(), plan.waiting, short_of_memory_.size(), std::move(plan.why)};
}

void PublisherState::remember(const DesiredTables& desired, Plan& plan) {
    std::vector<bool> is_published(shm::kMaxServices);
    for (std::size_t i = 0; i < desired.services.size(); ++i) {
        const std::uint32_t id = plan.service_ids[i];
        if (id == kWaits) {
            continue;
        }
        is_published[id] = true;
        PublishedService& service = services[desired.services[i].name];
        service.id = id;
        service.key = key_of(desired.services[i]);
        service.moved_entries += plan.rings[i].moved;
        if (!plan.rings[i].stays && !plan.rings[i].waits) {
            service.ring = std::move(plan.rings[i].ring);
        }
        if (plan.has_other_places[i]) {
            remember_places(desired.services[i], service);
        }
    }
    std::erase_if(services, [&](const auto& each) { return !is_published[each.second.id]; });
}

void PublisherState::remember_places(const DesiredService& desired,
                                     PublishedService& service) const {
    service.places.clear();
    for (const DesiredBackend& backend : desired.backends) {
        const auto there =
            backends.find(BackendKeyView{desired.name, backend.name, backend.address});
        if (there == backends.end()) {  // it waits: what stands behind it is searched
            return;
        }
        service.places.push_back(&*there);
    }
}

void PublisherState::store_new_records(const DesiredTables& desired, const Plan& plan) {
    for (std::size_t i = 0; i < desired.services.size(); ++i) {
        const DesiredService& service = desired.services[i];
        if (plan.service_ids[i] == kWaits) {
            continue;
        }
        if (!services.contains(service.name)) {
            set_name(file.service_info(plan.service_ids[i]).name, service.name);
        }
    }
    for (const NewBackend& each : plan.new_backends) {
        const DesiredService& service = desired.services[each.service];
        const DesiredBackend& backend = service.backends[each.backend];
        const BackendKey key{service.name, backend.name, backend.address};
        inherited_backends_.erase(key);
        store_backend(ServiceId{plan.service_ids[each.service]},
                      service,
                      backend,
                      each.index,
                      each.is_inherited);
        backends.emplace(key, each.index);
    }
    for (const Plan::Ring& ring : plan.rings) {
        if (!ring.content.empty()) {
            const std::span<std::uint16_t> place = file.ring(*ring.ring.slot);
            std::copy(ring.content.begin(), ring.content.end(), place.begin());
        }
    }
}

void PublisherState::store_backend(ServiceId service_id,
                                   const DesiredService& service,
                                   const DesiredBackend& backend,
                                   std::uint32_t index,
                                   bool is_inherited) {
    if (!is_inherited) {
        raise_incarnation(index, service, backend);
    }
    // Of an inherited one nobody has followed anything yet, so that its fields may be written.
    shm::BackendRecord& record = file.backend(index);
    record.service = service_id;
    record.address = backend.address;
    record.path_mtu_bytes.store(backend.path_mtu_bytes, std::memory_order_relaxed);
    shm::BackendInfo& info = file.backend_info(index);
    info.health.store(backend.health, std::memory_order_relaxed);
    info.health_since_ns.store(backend.health_since_ns, std::memory_order_relaxed);
    // The word last: who acquires it sees the fields.
    const shm::BackendWord word(record.word.load(std::memory_order_relaxed));
    record.word.store(word_of(backend, word).raw(), std::memory_order_release);
}

void PublisherState::raise_incarnation(std::uint32_t index,
                                       const DesiredService& service,
                                       const DesiredBackend& backend) {
    shm::BackendRecord& record = file.backend(index);
    const shm::BackendWord old(record.word.load(std::memory_order_relaxed));
    // The incarnation first: from here on no flow entry of the former owner counts
    // (word-last).
    record.word.store(shm::BackendWord::make({}, PortIndex{0}, old.incarnation() + 1, 0).raw(),
                      std::memory_order_release);
    shm::BackendInfo& info = file.backend_info(index);
    const CounterTotals totals = counters.totals(BackendIndex{static_cast<std::uint16_t>(index)});
    set_name(info.service, service.name);
    set_name(info.name, backend.name);
    info.baseline_instance = totals.instance;
    info.baseline_packets = totals.packets;
    info.baseline_bytes = totals.bytes;
    info.baseline_new_flows = totals.new_flows;
}

// The word that a backend should have; the link that stands there stays where none is known.
shm::BackendWord PublisherState::word_of(const DesiredBackend& backend,
                                         shm::BackendWord now) const {
    std::uint64_t flags = shm::BackendWord::kPublished;
    if (backend.keeps_flows) {
        flags |= shm::BackendWord::kKeepsFlows;
    }
    if (backend.admits_new) {
        flags |= shm::BackendWord::kAdmitsNew;
    }
    if (backend.is_taken_out) {
        flags |= shm::BackendWord::kTakenOut;
    }
    if (backend.link) {
        return shm::BackendWord::make(backend.link->mac,
                                      port_numbers.at(to_number(backend.link->port)),
                                      now.incarnation(),
                                      flags | shm::BackendWord::kLinked);
    }
    if (now.has(shm::BackendWord::kLinked) && !backend.is_link_lost) {
        flags |= shm::BackendWord::kLinked;
    }
    return shm::BackendWord::make(now.mac(), now.port(), now.incarnation(), flags);
}

shm::PortRecord port_record(const DesiredPort& port) {
    shm::PortRecord record;
    record.mac = port.mac;
    record.mtu_bytes = port.mtu_bytes;
    record.vlan = port.vlan;
    record.tunnel_source_v4 = port.tunnel_source_v4;
    record.tunnel_source_v6 = port.tunnel_source_v6;
    const DesiredPort::TunnelPrefix& prefix = port.tunnel_prefix;
    if (prefix.length != 0) {
        const bool is_v4 = prefix.address.is_v4();
        const int free_bits = (is_v4 ? 32 : 128) - prefix.length;
        (is_v4 ? record.entropy_bits_v4 : record.entropy_bits_v6) =
            static_cast<std::uint8_t>(std::min(free_bits, 32));
        if (is_v4) {
            record.tunnel_prefix_v4 = prefix.address.v4();
        } else {
            std::memcpy(record.tunnel_prefix_v6.data(),
                        prefix.address.bytes().data(),
                        sizeof record.tunnel_prefix_v6);
        }
    }
    return record;
}

void PublisherState::store_snapshot(const DesiredTables& desired, const Plan& plan) {
    const std::uint32_t slot = *plan.snapshot_slot;
    shm::SnapshotHeader& header = file.snapshot(slot);
    header.generation = generation() + 1;
    header.flow_hash_seed = desired.flow_hash_seed;
    header.bucket_mask = static_cast<std::uint32_t>(plan.buckets.size() - 1);
    header.service_count = static_cast<std::uint32_t>(
        plan.service_ids.size() -
        static_cast<std::size_t>(std::ranges::count(plan.service_ids, kWaits)));
    header.port_count = port_numbers.count();
    header.range_count = static_cast<std::uint32_t>(plan.ranges.size());
    header.prefix_table = plan.prefixes.slot_number();
    header.limited_services = static_cast<std::uint32_t>(
        std::count_if(plan.buckets.begin(), plan.buckets.end(), shm::is_limited) +
        std::count_if(plan.ranges.begin(), plan.ranges.end(), shm::is_limited));
    header.ports.fill({});
    header.port_names.fill({});
    header.virtual_macs.fill({});
    for (std::size_t i = 0; i < desired.ports.size(); ++i) {
        const std::size_t number = to_number(port_numbers.at(i));
        header.ports.at(number) = port_record(desired.ports[i]);
        set_name(header.port_names.at(number), desired.ports[i].name);
        header.virtual_macs.at(number) = desired.ports[i].virtual_macs;
    }
    std::copy(plan.buckets.begin(), plan.buckets.end(), file.buckets(slot).begin());
    std::copy(plan.ranges.begin(), plan.ranges.end(), file.ranges(slot).begin());
    // Release: who acquires the root sees the snapshot and the rings that it names
    // (root-before-generation).
    file.header().root.store(slot, std::memory_order_release);
}

void PublisherState::update_words(const DesiredTables& desired, const Plan& plan) {
    for (std::size_t i = 0; i < desired.services.size(); ++i) {
        for (std::size_t j = 0; j < desired.services[i].backends.size(); ++j) {
            const DesiredBackend& backend = desired.services[i].backends[j];
            const std::uint32_t index = plan.backend_indices[i][j];
            if (index == kWaits) {
                continue;
            }
            std::atomic<std::uint64_t>& place = file.backend(index).word;
            const shm::BackendWord now(place.load(std::memory_order_relaxed));
            const shm::BackendWord next = word_of(backend, now);
            if (next != now) {
                place.store(next.raw(), std::memory_order_release);
            }
            file.backend(index).path_mtu_bytes.store(backend.path_mtu_bytes,
                                                     std::memory_order_relaxed);
            shm::BackendInfo& info = file.backend_info(index);
            info.health.store(backend.health, std::memory_order_relaxed);
            info.health_since_ns.store(backend.health_since_ns, std::memory_order_relaxed);
        }
    }
}

void PublisherState::retire_old(const DesiredTables& desired,
                                const Plan& plan,
                                std::uint32_t old_snapshot) {
    const std::uint64_t now = generation();
    prefixes.commit(plan.prefixes, now);
    if (plan.snapshot_slot && old_snapshot < shm::kSnapshotSlots) {
        snapshot_slots_.retire(old_snapshot, now);
    }
    std::vector<bool> rings_in_use(shm::kMaxServices + shm::kSpareRings);
    for (const Plan::Ring& ring : plan.rings) {
        if (ring.ring.slot) {
            rings_in_use[*ring.ring.slot] = true;
        }
    }
    std::vector<bool> ids_in_use(shm::kMaxServices);
    for (const std::uint32_t id : plan.service_ids) {
        if (id != kWaits) {
            ids_in_use[id] = true;
        }
    }
    for (const auto& [name, service] : services) {
        if (service.ring.slot && !rings_in_use[*service.ring.slot]) {
            ring_slots_.retire(*service.ring.slot, now);
        }
        if (!ids_in_use[service.id]) {
            service_slots_.retire(service.id, now);
        }
    }
    const std::vector<bool> in_use = backends_in_use(desired, plan);
    for (auto it = backends.begin(); it != backends.end();) {
        if (in_use[it->second]) {
            ++it;
        } else {
            leaving_.emplace_back(it->second, now);
            it = backends.erase(it);
        }
    }
    for (const auto& [key, index] : std::exchange(inherited_backends_, {})) {
        leaving_.emplace_back(index, now);
    }
    for (const auto& [name, id] : std::exchange(inherited_services_, {})) {
        if (!ids_in_use[id]) {
            service_slots_.retire(id, now);
        }
    }
}

std::vector<bool> PublisherState::backends_in_use(const DesiredTables& desired,
                                                  const Plan& plan) const {
    std::vector<bool> in_use(shm::kMaxBackends);
    for (const std::vector<std::uint32_t>& indices : plan.backend_indices) {
        for (const std::uint32_t index : indices) {
            if (index != kWaits) {
                in_use[index] = true;
            }
        }
    }
    // A ring that waits names backends of its service that are desired no more: it keeps all.
    for (std::size_t i = 0; i < plan.rings.size(); ++i) {
        const std::string& service = desired.services[i].name;
        if (!plan.rings[i].waits) {
            continue;
        }
        for (auto it = backends.lower_bound(BackendKeyView{service, "", IpAddress{}});
             it != backends.end() && std::get<0>(it->first) == service;
             ++it) {
            in_use[it->second] = true;
        }
    }
    return in_use;
}

void PublisherState::reserve_spares(const Plan& plan) {
    const auto in_use = static_cast<std::uint32_t>(
        std::count_if(plan.rings.begin(), plan.rings.end(), [](const Plan::Ring& ring) {
            return ring.ring.slot.has_value();
        }));
    // The pools give the lowest free slots first, so these are the ones that come next. What cannot
    // be had now is refused with its reason when it is needed.
    const std::uint32_t wanted = in_use + std::min(in_use, shm::kSpareRings);
    while (reserved_rings_ < wanted && file.reserve_ring(reserved_rings_)) {
        ++reserved_rings_;
    }
    for (std::uint32_t slot = 0; plan.snapshot_slot && slot < kSpareSnapshots; ++slot) {
        if (!file.reserve_snapshot(slot, plan.buckets.size(), plan.ranges.size())) {
            return;
        }
    }
}

void PublisherState::unpublish_acknowledged(std::uint64_t lowest) {
    while (!leaving_.empty() && leaving_.front().second <= lowest) {
        const std::uint32_t index = leaving_.front().first;
        std::atomic<std::uint64_t>& place = file.backend(index).word;
        const shm::BackendWord now(place.load(std::memory_order_relaxed));
        place.store(shm::BackendWord::make({}, PortIndex{0}, now.incarnation(), 0).raw(),
                    std::memory_order_release);
        // Free once a generation that is published after this store is acknowledged
        // (word-last).
        backend_slots_.retire(index, generation() + 1);
        leaving_.pop_front();
        is_generation_due_ = true;
    }
}

}  // namespace fairlead::publish
