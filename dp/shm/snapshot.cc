#include "dp/shm/snapshot.h"

#include <algorithm>

namespace fairlead::shm {

namespace {

// Whether `count` objects of `stride` bytes at `offset` lie inside `size` bytes, aligned to cache
// lines.
[[nodiscard]] bool fits(std::uint64_t offset,
                        std::uint64_t stride,
                        std::uint64_t count,
                        std::uint64_t size) noexcept {
    if (offset % kCacheLineBytes != 0 || offset > size) {
        return false;
    }
    return stride == 0 ? count == 0 : count <= (size - offset) / stride;
}

// Objects of a segment are reached by offset; their alignment was checked by fits().
template <typename T>
[[nodiscard]] const T* at(const std::byte* start, std::uint64_t offset) noexcept {
    return static_cast<const T*>(static_cast<const void*>(start + offset));
}

}  // namespace

std::optional<TablesReader> TablesReader::map(std::span<const std::byte> segment) noexcept {
    const std::uint64_t size = segment.size();
    if (size < sizeof(TablesHeader)) {
        return std::nullopt;
    }
    const auto* const header = at<TablesHeader>(segment.data(), 0);
    TablesReader reader;
    reader.header_ = header;
    reader.start_ = segment.data();
    reader.backends_ = std::min(read_once(header->backends), kMaxBackends);
    reader.services_ = read_once(header->services);
    reader.snapshots_ = read_once(header->snapshots);
    reader.buckets_ = read_once(header->buckets);
    reader.rings_ = read_once(header->rings);
    reader.ring_entries_ = read_once(header->ring_entries);
    reader.snapshot_stride_ = read_once(header->snapshot_stride);
    const std::uint64_t backends_offset = read_once(header->backends_offset);
    const std::uint64_t snapshots_offset = read_once(header->snapshots_offset);
    const std::uint64_t rings_offset = read_once(header->rings_offset);
    const std::uint64_t ring_stride = read_once(header->ring_stride);
    const std::uint64_t snapshot_bytes =
        sizeof(SnapshotHeader) + std::uint64_t{reader.buckets_} * sizeof(ServiceRecord);
    const bool good = fits(backends_offset, sizeof(BackendRecord), reader.backends_, size) &&
                      fits(snapshots_offset, reader.snapshot_stride_, reader.snapshots_, size) &&
                      fits(rings_offset, ring_stride, reader.rings_, size) &&
                      reader.snapshot_stride_ % kCacheLineBytes == 0 &&
                      reader.snapshot_stride_ >= snapshot_bytes &&
                      ring_stride % kCacheLineBytes == 0 &&
                      ring_stride >= std::uint64_t{reader.ring_entries_} * sizeof(std::uint16_t) &&
                      reader.snapshots_ > 0 && reader.buckets_ > 0;
    if (!good) {
        return std::nullopt;
    }
    reader.ring_stride_entries_ = ring_stride / sizeof(std::uint16_t);
    reader.backend_records_ = at<BackendRecord>(segment.data(), backends_offset);
    reader.snapshots_start_ = segment.data() + snapshots_offset;
    reader.ring_entries_start_ = at<std::uint16_t>(segment.data(), rings_offset);
    return reader;
}

Snapshot TablesReader::snapshot() const noexcept {
    // Pairs with the release store of `root` in the daemon.
    const std::uint32_t slot = header_->root.load(std::memory_order_acquire);
    if (slot >= snapshots_) {
        return {};
    }
    Snapshot snapshot;
    const std::byte* const start = snapshots_start_ + slot * snapshot_stride_;
    snapshot.header = at<SnapshotHeader>(start, 0);
    snapshot.buckets = at<ServiceRecord>(start, sizeof(SnapshotHeader));
    snapshot.bucket_mask = read_once(snapshot.header->bucket_mask);
    snapshot.port_count = std::min(read_once(snapshot.header->port_count), kMaxPorts);
    snapshot.flow_hash_seed = read_once(snapshot.header->flow_hash_seed);
    for (std::uint32_t port = 0; port < snapshot.port_count; ++port) {
        snapshot.has_vlans |= read_once(snapshot.header->ports[port].vlan) != 0;
    }
    if (snapshot.bucket_mask >= buckets_ || !std::has_single_bit(snapshot.bucket_mask + 1)) {
        return {};
    }
    return snapshot;
}

}  // namespace fairlead::shm
