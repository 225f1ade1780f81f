// Taking over a predecessor's segment (dp/shm/tables.h, any-store-last).
#include <algorithm>
#include <cstring>

#include "ctl/publish/publisher_state.h"
#include "dp/shm/snapshot.h"

namespace fairlead::publish {

namespace {

[[nodiscard]] std::string text_of(const shm::Name& name) {
    return {name.data(), strnlen(name.data(), name.size())};
}

}  // namespace

PublisherState::PublisherState(TablesFile tables, Acknowledgements& acks, CounterSource& totals)
    : file(std::move(tables)),
      acknowledgements(acks),
      counters(totals),
      prefixes(file),
      snapshot_slots_(shm::kSnapshotSlots, SlotPool::Prefer::kLowest),
      ring_slots_(shm::kMaxServices + shm::kSpareRings, SlotPool::Prefer::kLowest),
      backend_slots_(shm::kMaxBackends, SlotPool::Prefer::kFresh),
      service_slots_(shm::kMaxServices, SlotPool::Prefer::kFresh) {}

void PublisherState::recover() {
    if (generation() == 0) {
        // Whoever died between its first root and the first generation was followed by nobody.
        file.header().root.store(shm::kSnapshotSlots, std::memory_order_release);
        recover_identities();
        return;
    }
    // The predecessor may have died between the root and the generation: raised here, the
    // generation covers whatever root stands there, and what that root does not reach is free once
    // it is acknowledged.
    raise_generation();
    const std::uint64_t now = generation();
    const std::uint32_t root = file.header().root.load(std::memory_order_relaxed);
    for (std::uint32_t slot = 0; slot < shm::kSnapshotSlots; ++slot) {
        if (slot != root) {
            snapshot_slots_.retire(slot, now);
        }
    }
    snapshot_slots_.start_fresh_at(shm::kSnapshotSlots);
    if (root < shm::kSnapshotSlots) {
        port_numbers.recover(file.snapshot(root).port_names);
    }
    prefixes.recover(root < shm::kSnapshotSlots ? file.snapshot(root).prefix_table : 0, now);

    std::vector<bool> ring_used(shm::kMaxServices + shm::kSpareRings);
    std::vector<bool> id_used(shm::kMaxServices);
    recover_services(ring_used, id_used);
    // A ring beyond the last one in use may have been in use before; a worker that still reads it
    // holds a generation below this one. So none is fresh, but retired ones come back in order.
    for (std::uint32_t slot = 0; slot < ring_used.size(); ++slot) {
        if (!ring_used[slot]) {
            ring_slots_.retire(slot, now);
        }
    }
    ring_slots_.start_fresh_at(static_cast<std::uint32_t>(ring_used.size()));

    std::uint32_t first_fresh_id = 0;
    for (std::uint32_t id = 0; id < shm::kMaxServices; ++id) {
        first_fresh_id = file.service_info(id).name[0] != '\0' ? id + 1 : first_fresh_id;
    }
    for (std::uint32_t id = 0; id < first_fresh_id; ++id) {
        if (!id_used[id]) {
            service_slots_.retire(id, now);
        }
    }
    service_slots_.start_fresh_at(first_fresh_id);
    recover_backends();
}

void PublisherState::recover_services(std::vector<bool>& ring_used, std::vector<bool>& id_used) {
    const std::optional<shm::TablesReader> reader = shm::TablesReader::map(file.bytes());
    const shm::Snapshot snapshot = reader ? reader->snapshot() : shm::Snapshot{};
    if (snapshot.is_empty()) {
        return;
    }
    for (std::size_t i = 0; i < shm::kMaxPorts; ++i) {
        const std::string name = text_of(snapshot.header->port_names[i]);
        const shm::PortRecord& port = snapshot.header->ports[i];
        if (!name.empty()) {
            known.ports.push_back({name, port.tunnel_source_v4, port.tunnel_source_v6});
        }
    }
    const auto recover = [&](const shm::ServiceRecord& record) {
        const std::uint32_t id = to_number(record.id);
        if (record.protocol == shm::kEmptyBucket || record.protocol == shm::kVipMark ||
            id >= shm::kMaxServices) {
            return;
        }
        PublishedService service;
        service.id = id;
        service.key = {record.vip, record.port.host(), record.last_port.host(), record.protocol};
        service.ring.fingerprint = record.ring_fingerprint;
        id_used[id] = true;
        if (record.ring_entries == shm::kRingEntries && record.ring < ring_used.size()) {
            ring_used[record.ring] = true;
            service.ring.slot = record.ring;
        }
        const std::string name = text_of(file.service_info(id).name);
        if (services.emplace(name, std::move(service)).second) {
            known.services.push_back({.name = name,
                                      .vip = record.vip,
                                      .port = record.port.host(),
                                      .last_port = record.last_port.host(),
                                      .protocol = record.protocol,
                                      .source_prefix_bits = record.source_prefix_bits,
                                      .mode = record.mode});
        }
    };
    std::for_each_n(snapshot.buckets, std::size_t{snapshot.bucket_mask} + 1, recover);
    std::for_each_n(snapshot.ranges, snapshot.range_count, recover);
}

std::uint32_t PublisherState::first_fresh_backend() const {
    std::uint32_t first_fresh = 0;
    for (std::uint32_t index = 0; index < shm::kMaxBackends; ++index) {
        first_fresh = file.backend_info(index).name[0] != '\0' ? index + 1 : first_fresh;
    }
    return first_fresh;
}

void PublisherState::recover_identities() {
    const std::uint32_t first_fresh = first_fresh_backend();
    std::vector<bool> id_used(shm::kMaxServices);
    for (std::uint32_t index = 0; index < first_fresh; ++index) {
        const shm::BackendRecord& record = file.backend(index);
        const shm::BackendWord word(record.word.load(std::memory_order_relaxed));
        const shm::BackendInfo& info = file.backend_info(index);
        const BackendKey key{text_of(info.service), text_of(info.name), record.address};
        if (!word.has(shm::BackendWord::kPublished) ||
            !inherited_backends_.emplace(key, index).second) {
            backend_slots_.retire(index, 0);
            continue;
        }
        const std::uint32_t id = to_number(record.service);
        if (id < shm::kMaxServices && !id_used[id] &&
            inherited_services_.emplace(std::get<0>(key), id).second) {
            id_used[id] = true;
        }
        known.backends.push_back(
            {.service = std::get<0>(key),
             .name = std::get<1>(key),
             .address = record.address,
             .health = info.health.load(std::memory_order_relaxed),
             .health_since_ns = info.health_since_ns.load(std::memory_order_relaxed),
             .keeps_flows = word.has(shm::BackendWord::kKeepsFlows)});
    }
    backend_slots_.start_fresh_at(first_fresh);
    std::uint32_t first_fresh_id = 0;
    for (const auto& [name, id] : inherited_services_) {
        first_fresh_id = std::max(first_fresh_id, id + 1);
    }
    for (std::uint32_t id = 0; id < first_fresh_id; ++id) {
        if (!id_used[id]) {
            service_slots_.retire(id, 0);
        }
    }
    service_slots_.start_fresh_at(first_fresh_id);
}

void PublisherState::recover_backends() {
    const std::uint64_t now = generation();
    const std::uint32_t first_fresh = first_fresh_backend();
    std::map<std::uint32_t, const std::string*> by_id;
    for (const auto& [name, service] : services) {
        by_id.emplace(service.id, &name);
    }
    for (std::uint32_t index = 0; index < first_fresh; ++index) {
        const shm::BackendRecord& record = file.backend(index);
        const shm::BackendWord word(record.word.load(std::memory_order_relaxed));
        const shm::BackendInfo& info = file.backend_info(index);
        if (!word.has(shm::BackendWord::kPublished)) {  // not in use, or half made
            file.backend(index).word.store(
                shm::BackendWord::make({}, PortIndex{0}, word.incarnation(), 0).raw(),
                std::memory_order_release);
            backend_slots_.retire(index, now);
            continue;
        }
        // By the service's number: its name may just have been changed. A service that the snapshot
        // does not reach gets another number when it comes again: a daemon that died before its
        // root has left backends of the number before.
        const auto service = by_id.find(to_number(record.service));
        const bool is_reached = service != by_id.end();
        const BackendKey key{
            is_reached ? *service->second : "", text_of(info.name), record.address};
        if (!is_reached || !backends.emplace(key, index).second) {  // or a scribbler's second copy
            leaving_.emplace_back(index, now);
            continue;
        }
        known.backends.push_back(
            {.service = std::get<0>(key),
             .name = std::get<1>(key),
             .address = record.address,
             .health = info.health.load(std::memory_order_relaxed),
             .health_since_ns = info.health_since_ns.load(std::memory_order_relaxed),
             .keeps_flows = word.has(shm::BackendWord::kKeepsFlows)});
    }
    backend_slots_.start_fresh_at(first_fresh);
}

}  // namespace fairlead::publish
