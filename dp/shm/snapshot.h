// The engine's view of `tables`: bounded, validated, and followed generation by generation.
//
// A TablesReader copies the capacities when it is made and trusts nothing afterwards: whatever
// stands in the segment, every pointer that it hands out lies inside the mapping. One TablesReader
// a worker; it is plain memory of that thread. The segment must outlive it.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dp/base/ids.h"
#include "dp/base/read_once.h"
#include "dp/shm/prefix_table.h"
#include "dp/shm/tables.h"

namespace fairlead::shm {

// One generation as a worker uses it between two acknowledgements. All pointers are inside the
// segment.
struct Snapshot {
    const SnapshotHeader* header = nullptr;
    const ServiceRecord* buckets = nullptr;
    const ServiceRecord* ranges = nullptr;
    std::uint32_t bucket_mask = 0;  // checked against the capacity
    std::uint32_t range_count = 0;  // checked
    std::uint32_t port_count = 0;   // checked
    std::uint64_t flow_hash_seed = 0;
    bool has_limits = false;  // of any service
    PrefixTable prefixes;
    bool has_vlans = false;  // a port has one, as it was read with the rest

    [[nodiscard]] bool is_empty() const noexcept { return header == nullptr; }

    // The service that takes packets to this port: the one of exactly that port, else the one whose
    // range the port is in, else the one that takes any port; or nullptr.
    [[nodiscard]] const ServiceRecord* find_service(const IpAddress& vip,
                                                    Be16 port,
                                                    std::uint8_t protocol) const noexcept;
    // The same where find() has found no service of exactly that port. `mark` is the VIP's.
    [[nodiscard]] const ServiceRecord* find_wide(const ServiceRecord& mark,
                                                 Be16 port,
                                                 std::uint8_t protocol) const noexcept;

    // The record of exactly this key, or nullptr. `protocol` may be kVipMark, with port 0; port 0
    // of another protocol is the service of any port.
    [[nodiscard]] const ServiceRecord* find(const IpAddress& vip,
                                            Be16 port,
                                            std::uint8_t protocol) const noexcept {
        std::uint32_t bucket = service_bucket(vip, port, protocol);
        for (std::uint32_t probe = 0; probe < kServiceProbes; ++probe, ++bucket) {
            const ServiceRecord& record = buckets[bucket & bucket_mask];
            if (record.protocol == protocol && record.port == port && record.vip == vip) {
                return &record;
            }
            if (record.protocol == kEmptyBucket) {
                break;
            }
        }
        return nullptr;
    }
};

class TablesReader {
  public:
    // Checks the capacities and offsets against `segment`'s size; nullopt where they do not fit.
    [[nodiscard]] static std::optional<TablesReader> map(
        std::span<const std::byte> segment) noexcept;

    // The generation in force. Pairs with the release store of the daemon (tables.h,
    // root-before-generation).
    [[nodiscard]] std::uint64_t generation() const noexcept {
        return header_->generation.load(std::memory_order_acquire);
    }
    // The snapshot in force, after the caller has acknowledged what generation() told. An empty
    // Snapshot where the segment holds none, or one that is out of bounds.
    [[nodiscard]] Snapshot snapshot() const noexcept;

    // nullptr: out of bounds.
    [[nodiscard]] const BackendRecord* backend(BackendIndex index) const noexcept {
        return to_number(index) < backends_ ? backend_records_ + to_number(index) : nullptr;
    }
    [[nodiscard]] std::uint32_t backend_capacity() const noexcept { return backends_; }
    [[nodiscard]] std::uint32_t service_capacity() const noexcept { return services_; }

    // The service's ring, empty where it has none or the record is out of bounds.
    [[nodiscard]] std::span<const std::uint16_t> ring(const ServiceRecord& service) const noexcept {
        const std::uint32_t slot = read_once(service.ring);
        const std::uint32_t entries = read_once(service.ring_entries);
        if (slot >= rings_ || entries > ring_entries_) {
            return {};
        }
        return {ring_entries_start_ + slot * ring_stride_entries_, entries};
    }

  private:
    TablesReader() = default;
    // The capacities and the place of the prefix tables; whether they fit.
    [[nodiscard]] bool map_prefix_tables(std::uint64_t segment_bytes) noexcept;
    // The prefix table of a snapshot; one without lists where it has none, or an unsound one.
    [[nodiscard]] PrefixTable prefix_table(const SnapshotHeader& snapshot) const noexcept;

    const TablesHeader* header_ = nullptr;
    const std::byte* start_ = nullptr;
    const BackendRecord* backend_records_ = nullptr;
    const std::byte* snapshots_start_ = nullptr;
    const std::uint16_t* ring_entries_start_ = nullptr;
    std::uint64_t snapshot_stride_ = 0;
    std::uint64_t ring_stride_entries_ = 0;
    std::uint32_t backends_ = 0;
    std::uint32_t services_ = 0;
    std::uint32_t snapshots_ = 0;
    std::uint32_t buckets_ = 0;
    std::uint32_t ranges_ = 0;
    std::uint32_t rings_ = 0;
    std::uint32_t ring_entries_ = 0;
    const std::byte* prefix_tables_start_ = nullptr;
    std::uint64_t prefix_table_stride_ = 0;
    std::uint32_t prefix_tables_ = 0;
    PrefixCapacity prefix_capacity_;
};

}  // namespace fairlead::shm
