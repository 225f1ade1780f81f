#include "dp/engine/away_mirror.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "dp/base/read_once.h"
#include "dp/net/headers.h"

namespace fairlead::engine {
namespace {

static_assert(STEER_MAX_BACKENDS == shm::kMaxBackends && STEER_MAX_PORTS == shm::kMaxPorts);
static_assert(STEER_MAX_SERVICES == shm::kMaxServices);
static_assert(STEER_RING_SLOTS >= shm::kRingEntries);
static_assert(static_cast<int>(shm::ForwardingMode::kL2) == STEER_MODE_L2 &&
              static_cast<int>(shm::ForwardingMode::kIpip) == STEER_MODE_IPIP);

template <typename T>
bool is_same(const T& left, const T& right) {
    return std::memcmp(&left, &right, sizeof left) == 0;
}

// Whether the slots of one are the slots of the other.
bool has_same_shape(const steer_service& left, const steer_service& right) {
    return left.seed == right.seed && left.ring_entries == right.ring_entries &&
           left.source_bits == right.source_bits;
}

// A word that the steering programs read meanwhile. Released, so that what was written before it is
// there for an engine that finds it.
template <typename T>
void store_word(T& word, T value) {
    std::atomic_ref(word).store(value, std::memory_order_release);
}

template <typename Visit>
void for_each_backend(const shm::TablesReader& tables, const Visit& visit) {
    const std::uint32_t backends =
        std::min<std::uint32_t>(tables.backend_capacity(), STEER_MAX_BACKENDS);
    for (std::uint32_t index = 0; index < backends; ++index) {
        visit(index, *tables.backend(BackendIndex{static_cast<std::uint16_t>(index)}));
    }
}

template <std::size_t bytes>
void copy_address(const IpAddress& from, __u8 (&to)[bytes]) {
    static_assert(bytes == sizeof(IpAddress));
    std::memcpy(to, from.bytes().data(), bytes);
}

steer_backend backend_of(const shm::BackendRecord& record) {
    using Word = shm::BackendWord;
    // Pairs with the daemon's release store (tables.h, T3).
    const Word word(record.word.load(std::memory_order_acquire));
    steer_backend backend{};
    if (!word.has(Word::kPublished) || !word.has(Word::kLinked)) {
        return backend;
    }
    const MacAddress mac = word.mac();
    for (unsigned i = 0; i < mac.bytes.size(); ++i) {
        backend.word |= std::uint64_t{mac.bytes.at(i)} << (8 * i);
    }
    backend.word |= std::uint64_t{to_number(word.port())} << STEER_BACKEND_PORT_SHIFT;
    backend.word |= STEER_BACKEND_USABLE;
    backend.mtu_bytes = record.path_mtu_bytes.load(std::memory_order_relaxed);
    copy_address(record.address, backend.address);
    return backend;
}

steer_port port_of(const shm::PortRecord& record, unsigned interface_index) {
    steer_port port{};
    port.ifindex = interface_index;
    port.mtu_bytes = record.mtu_bytes;
    port.vlan = record.vlan & 0x0FFFU;
    std::copy(record.mac.bytes.begin(), record.mac.bytes.end(), std::begin(port.mac));
    copy_address(record.tunnel_source_v4, port.source_v4);
    copy_address(record.tunnel_source_v6, port.source_v6);
    port.entropy_v4 = record.entropy_bits_v4;
    port.entropy_v6 = record.entropy_bits_v6;
    port.prefix_v4 = record.tunnel_prefix_v4.host();
    std::memcpy(port.prefix_v6, record.tunnel_prefix_v6.data(), sizeof port.prefix_v6);
    return port;
}

}  // namespace

AwayMirror::AwayMirror(AwayMaps maps, std::span<const SteerAwayService> known)
    : maps_(std::move(maps)), ring_of_service_(shm::kMaxServices, kNoRing) {
    for (const SteerAwayService& each : known) {
        take_over(each);
    }
}

void AwayMirror::take_over(const SteerAwayService& known) {
    Key key{};
    std::memcpy(key.data(), &known.key, key.size());
    steer_service service = known.service;
    if (service.kind == STEER_SERVICE_FORWARDED) {
        const bool is_sound = service.ring < rings_.size() && !rings_.at(service.ring) &&
                              service.ring_entries <= STEER_RING_SLOTS;
        if (!is_sound) {
            service.ring = kNoRing;  // no record that is wanted is equal to this one
        } else {
            rings_.at(service.ring)
                .emplace(maps_.rings[service.ring],
                         AwayRing::Shape{service.ring_entries, service.source_bits != 0},
                         true);
        }
    }
    services_[key] = service;
}

AwayMirror::Key AwayMirror::key_of(const shm::ServiceRecord& record) {
    steer_service_key key{};
    copy_address(record.vip, key.vip);
    key.port = record.port.raw();
    key.protocol = record.protocol;
    Key bytes{};
    std::memcpy(bytes.data(), &key, sizeof key);
    return bytes;
}

bool AwayMirror::can_be_forwarded(const shm::ServiceRecord& record,
                                  std::size_t ring_entries,
                                  const shm::Snapshot& snapshot) {
    if (shm::is_limited(record) || ring_entries == 0 || ring_entries > STEER_RING_SLOTS ||
        (record.mode != shm::ForwardingMode::kL2 && record.mode != shm::ForwardingMode::kIpip)) {
        return false;
    }
    const shm::ServiceRecord* const mark = snapshot.find(record.vip, Be16{}, shm::kVipMark);
    return record.port != Be16{} || (mark != nullptr && mark->range_count == 0);
}

Status AwayMirror::follow(const shm::TablesReader& tables, const shm::Snapshot& snapshot) {
    Status result;
    const auto keep_first = [&result](Status status) {
        if (result && !status) {
            result = std::move(status);
        }
    };
    std::map<Key, const shm::ServiceRecord*> wanted;
    for (std::uint32_t bucket = 0; !snapshot.is_empty() && bucket <= snapshot.bucket_mask;
         ++bucket) {
        const shm::ServiceRecord& record = snapshot.buckets[bucket];
        if (record.protocol == kProtocolTcp || record.protocol == kProtocolUdp) {
            wanted.emplace(key_of(record), &record);
        }
    }
    retire_backends(tables);  // an index may have a new owner, and old rings name it still
    std::vector<Key> gone;
    for (const auto& [key, service] : services_) {
        if (!wanted.contains(key)) {
            gone.push_back(key);
        }
    }
    // First out, then in: a full map has room for a new one only then.
    for (const Key& key : gone) {
        steer_service_key plain{};
        std::memcpy(&plain, key.data(), key.size());
        keep_first(maps_.put(plain, nullptr));
        if (services_[key].kind == STEER_SERVICE_FORWARDED && services_[key].ring < kNoRing) {
            rings_.at(services_[key].ring).reset();
        }
        services_.erase(key);
    }
    std::fill(ring_of_service_.begin(), ring_of_service_.end(), kNoRing);
    without_room_ = 0;
    for (const auto& [key, record] : wanted) {
        keep_first(place(key, *record, tables.ring(*record), snapshot));
    }
    refresh(tables, snapshot);
    return result;
}

Status AwayMirror::place(const Key& key,
                         const shm::ServiceRecord& record,
                         std::span<const std::uint16_t> ring,
                         const shm::Snapshot& snapshot) {
    steer_service wanted{};
    wanted.kind = STEER_SERVICE_HELD;
    if (!can_be_forwarded(record, ring.size(), snapshot)) {
        return put(key, wanted);
    }
    wanted.seed = snapshot.flow_hash_seed;
    wanted.ring_entries = static_cast<std::uint32_t>(ring.size());
    wanted.mode = static_cast<std::uint8_t>(record.mode);
    wanted.source_bits = record.source_prefix_bits;
    const auto held = services_.find(key);
    if (held != services_.end() && held->second.kind == STEER_SERVICE_FORWARDED &&
        !has_same_shape(held->second, wanted)) {
        // The slots of its ring get another meaning, which the record must not be read with.
        if (Status stored = put(key, {}); !stored) {
            return stored;
        }
    }
    wanted.ring = ring_for(key, wanted);
    if (wanted.ring == kNoRing) {
        wanted = {};
        wanted.kind = STEER_SERVICE_NO_ROOM;
        ++without_room_;
        return put(key, wanted);
    }
    rings_.at(wanted.ring)->follow(ring);
    if (to_number(record.id) < ring_of_service_.size()) {
        ring_of_service_[to_number(record.id)] = wanted.ring;
    }
    wanted.kind = STEER_SERVICE_FORWARDED;
    return put(key, wanted);
}

std::uint32_t AwayMirror::ring_for(const Key& key, const steer_service& wanted) {
    const auto held = services_.find(key);
    if (held != services_.end() && held->second.kind == STEER_SERVICE_FORWARDED &&
        held->second.ring < kNoRing) {
        return held->second.ring;
    }
    for (std::uint32_t number = 0; number < rings_.size(); ++number) {
        if (!rings_.at(number)) {
            rings_.at(number).emplace(maps_.rings[number],
                                      AwayRing::Shape{wanted.ring_entries, wanted.source_bits != 0},
                                      false);
            return number;
        }
    }
    return kNoRing;
}

Status AwayMirror::put(const Key& key, const steer_service& service) {
    const auto held = services_.find(key);
    if (held != services_.end() && is_same(held->second, service)) {
        return {};
    }
    steer_service_key plain{};
    std::memcpy(&plain, key.data(), key.size());
    if (Status stored = maps_.put(plain, &service); !stored) {
        return stored;
    }
    if (held != services_.end() && held->second.kind == STEER_SERVICE_FORWARDED &&
        held->second.ring < kNoRing &&
        (service.kind != STEER_SERVICE_FORWARDED || service.ring != held->second.ring)) {
        rings_.at(held->second.ring).reset();
    }
    services_[key] = service;
    return {};
}

void AwayMirror::refresh(const shm::TablesReader& tables, const shm::Snapshot& snapshot) {
    for (std::uint32_t number = 0; number < maps_.ports.size(); ++number) {
        steer_port wanted{};
        if (number < snapshot.port_count && number < interfaces_.size()) {
            wanted = port_of(snapshot.header->ports.at(number), interfaces_[number]);
        }
        steer_port& port = maps_.ports[number];
        if (is_same(port, wanted)) {
            continue;
        }
        store_word(port.ifindex, __u32{0});
        std::atomic_thread_fence(std::memory_order_release);
        const __u32 index = std::exchange(wanted.ifindex, 0);
        port = wanted;
        store_word(port.ifindex, index);
    }
    for_each_backend(tables, [this](std::uint32_t index, const shm::BackendRecord& record) {
        refresh_backend(index, record);
    });
}

void AwayMirror::retire_backends(const shm::TablesReader& tables) {
    for_each_backend(tables, [this](std::uint32_t index, const shm::BackendRecord& record) {
        steer_backend& backend = maps_.backends[index];
        if (!is_same(backend, backend_of(record))) {
            store_word(backend.word, __u64{0});
        }
    });
    // No ring's new slots may be seen with a backend's old word.
    std::atomic_thread_fence(std::memory_order_release);
}

void AwayMirror::refresh_backend(std::uint32_t index, const shm::BackendRecord& record) {
    steer_backend wanted = backend_of(record);
    steer_backend& backend = maps_.backends[index];
    if (is_same(backend, wanted)) {
        return;
    }
    const std::uint64_t word = std::exchange(wanted.word, 0);
    store_word(backend.word, __u64{0});
    std::atomic_thread_fence(std::memory_order_release);
    backend = wanted;
    store_word(backend.word, __u64{word});
}

void AwayMirror::see(const shm::TablesReader& tables, FlowEntry entry) {
    if (entry.is_empty()) {
        return;
    }
    const shm::BackendRecord* const record = tables.backend(entry.backend());
    if (record == nullptr) {
        return;
    }
    // An entry of the index's former owner is a miss to the workers. One whose backend takes no
    // packets at this moment may count again at the next.
    const shm::BackendWord word(record->word.load(std::memory_order_acquire));
    if (!word.has(shm::BackendWord::kPublished) || word.incarnation() != entry.incarnation()) {
        return;
    }
    const std::uint32_t service = to_number(read_once(record->service));
    if (service < ring_of_service_.size() && ring_of_service_[service] < kNoRing) {
        rings_.at(ring_of_service_[service])->see(entry.signature(), entry.backend());
    }
}

void AwayMirror::end_pass() {
    for (std::optional<AwayRing>& ring : rings_) {
        if (ring) {
            ring->end_pass();
        }
    }
}

bool AwayMirror::is_settled() const {
    return std::all_of(rings_.begin(), rings_.end(), [](const std::optional<AwayRing>& ring) {
        return !ring || ring->is_settled();
    });
}

}  // namespace fairlead::engine
