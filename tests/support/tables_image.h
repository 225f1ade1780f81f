// A `tables` segment in plain memory, filled by hand: what the daemon publishes, for tests that
// have no daemon. One snapshot, in slot 0. Owns its memory; not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ctl/prefix/prefix_table.h"
#include "dp/shm/snapshot.h"
#include "dp/shm/tables.h"

namespace fairlead::testing {

struct TablesShape {
    std::uint32_t backends = 64;
    std::uint32_t buckets = 64;  // a power of two
    std::uint32_t rings = 8;
    std::uint32_t ring_entries = 251;  // capacity
    std::uint32_t ranges = 8;
    std::uint32_t prefix_lists = 4;
    std::uint32_t prefixes = 64;
};

struct ServiceKey {
    IpAddress vip;
    std::uint16_t port = 0;  // 0: any
    std::uint8_t protocol = 0;
    std::uint16_t last_port = 0;  // of a range, where `port` is the first
};

class TablesImage {
  public:
    explicit TablesImage(const TablesShape& shape);

    [[nodiscard]] std::span<std::byte> bytes() noexcept {
        return std::as_writable_bytes(std::span(lines_));
    }
    // Requires a sound image; for scribbled ones use TablesReader::map() on bytes().
    [[nodiscard]] shm::TablesReader reader();

    [[nodiscard]] shm::TablesHeader& header() noexcept;
    [[nodiscard]] shm::SnapshotHeader& snapshot() noexcept;
    [[nodiscard]] shm::PortRecord& port(std::size_t index) noexcept;
    [[nodiscard]] VirtualMacs& virtual_macs(std::size_t index) noexcept;
    // Adds the service, and the mark of its VIP. The ring in `ring_slot` is filled with `ring`. The
    // record of a range is good until another range is added.
    shm::ServiceRecord& add_service(const ServiceKey& key,
                                    shm::ForwardingMode mode,
                                    ServiceId id,
                                    std::uint32_t ring_slot,
                                    std::span<const std::uint16_t> ring);
    // The record of a service that was added.
    [[nodiscard]] shm::ServiceRecord& service(const ServiceKey& key) { return bucket_for(key); }
    // The mark of a VIP that has a service.
    [[nodiscard]] shm::ServiceRecord& vip_mark(const IpAddress& vip) {
        return bucket_for({vip, 0, shm::kVipMark});
    }
    void set_backend(BackendIndex index,
                     ServiceId service,
                     const IpAddress& address,
                     shm::BackendWord word) noexcept;
    [[nodiscard]] shm::BackendRecord& backend(BackendIndex index) noexcept;
    // List n + 1 is lists[n]. Requires that they fit.
    void set_prefix_lists(std::span<const prefix::Lists> lists);
    // Makes a service's limits count: those that are not 0.
    void limit(shm::ServiceRecord& service,
               std::uint32_t prefix_list,
               std::uint32_t packets_per_second = 0,
               std::uint32_t new_flows_per_second = 0) noexcept;
    void publish(std::uint64_t generation) noexcept;

  private:
    template <typename T>
    [[nodiscard]] T* at(std::uint64_t offset) noexcept {
        return static_cast<T*>(static_cast<void*>(bytes().data() + offset));
    }
    // The record of this key, or the free one in which it belongs.
    [[nodiscard]] shm::ServiceRecord& bucket_for(const ServiceKey& key);
    // The same of a range; the VIP must have its mark. References to other ranges end.
    [[nodiscard]] shm::ServiceRecord& range_for(const ServiceKey& key);

    struct alignas(kCacheLineBytes) Line {
        std::array<std::byte, kCacheLineBytes> bytes;
    };
    std::vector<Line> lines_;
};

}  // namespace fairlead::testing
