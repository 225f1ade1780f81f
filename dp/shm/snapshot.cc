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
    reader.ranges_ = read_once(header->ranges);
    reader.rings_ = read_once(header->rings);
    reader.ring_entries_ = read_once(header->ring_entries);
    reader.snapshot_stride_ = read_once(header->snapshot_stride);
    const std::uint64_t backends_offset = read_once(header->backends_offset);
    const std::uint64_t snapshots_offset = read_once(header->snapshots_offset);
    const std::uint64_t rings_offset = read_once(header->rings_offset);
    const std::uint64_t ring_stride = read_once(header->ring_stride);
    const std::uint64_t snapshot_bytes =
        sizeof(SnapshotHeader) +
        (std::uint64_t{reader.buckets_} + reader.ranges_) * sizeof(ServiceRecord);
    const bool good =
        fits(backends_offset, sizeof(BackendRecord), reader.backends_, size) &&
        fits(snapshots_offset, reader.snapshot_stride_, reader.snapshots_, size) &&
        fits(rings_offset, ring_stride, reader.rings_, size) &&
        reader.snapshot_stride_ % kCacheLineBytes == 0 &&
        reader.snapshot_stride_ >= snapshot_bytes && ring_stride % kCacheLineBytes == 0 &&
        ring_stride >= std::uint64_t{reader.ring_entries_} * sizeof(std::uint16_t) &&
        reader.snapshots_ > 0 && reader.buckets_ > 0 && reader.map_prefix_tables(size);
    if (!good) {
        return std::nullopt;
    }
    reader.ring_stride_entries_ = ring_stride / sizeof(std::uint16_t);
    reader.backend_records_ = at<BackendRecord>(segment.data(), backends_offset);
    reader.snapshots_start_ = segment.data() + snapshots_offset;
    reader.ring_entries_start_ = at<std::uint16_t>(segment.data(), rings_offset);
    return reader;
}

bool TablesReader::map_prefix_tables(std::uint64_t segment_bytes) noexcept {
    prefix_tables_ = read_once(header_->prefix_tables);
    prefix_capacity_ = {read_once(header_->prefix_lists), read_once(header_->prefixes)};
    prefix_table_stride_ = read_once(header_->prefix_table_stride);
    const std::uint64_t offset = read_once(header_->prefix_tables_offset);
    if (!fits(offset, prefix_table_stride_, prefix_tables_, segment_bytes) ||
        prefix_table_stride_ % kCacheLineBytes != 0 ||
        (prefix_tables_ > 0 && prefix_table_stride_ < prefix_capacity_.bytes())) {
        return false;
    }
    prefix_tables_start_ = start_ + offset;
    return true;
}

PrefixTable TablesReader::prefix_table(const SnapshotHeader& snapshot) const noexcept {
    const std::uint32_t slot = read_once(snapshot.prefix_table) - 1;
    if (slot >= prefix_tables_) {
        return {};
    }
    const std::byte* const start = prefix_tables_start_ + slot * prefix_table_stride_;
    const PrefixCapacity& has = prefix_capacity_;
    const auto& header = *at<PrefixTableHeader>(start, 0);
    const std::uint32_t lists = read_once(header.list_count);
    const std::uint32_t v4_leaves = read_once(header.v4_leaves);
    const std::uint32_t v6_leaves = read_once(header.v6_leaves);
    const std::uint32_t v4_blocks = read_once(header.v4_blocks);
    const std::uint32_t v6_blocks = read_once(header.v6_blocks);
    const std::uint32_t lows = read_once(header.lows);
    const std::uint32_t groups = read_once(header.groups);
    if (lists > has.lists || v4_leaves > has.v4_leaves() || v6_leaves > has.v6_leaves() ||
        v4_blocks > has.v4_blocks() || v6_blocks > has.v6_blocks() || lows > has.lows() ||
        groups > has.groups()) {
        return {};
    }
    return PrefixTable({{at<PrefixList>(start, kPrefixListsAt), lists},
                        {at<PrefixLeafV4>(start, has.v4_leaves_at()), v4_leaves},
                        {at<PrefixLeafV6>(start, has.v6_leaves_at()), v6_leaves},
                        {at<PrefixBlockV4>(start, has.v4_blocks_at()), v4_blocks},
                        {at<PrefixBlockV6>(start, has.v6_blocks_at()), v6_blocks},
                        {at<PrefixLow>(start, has.lows_at()), lows},
                        {at<std::uint32_t>(start, has.groups_at()), groups}});
}

Snapshot TablesReader::snapshot() const noexcept {
    // Pairs with the release store of `root` in the daemon (root-before-generation).
    const std::uint32_t slot = header_->root.load(std::memory_order_acquire);
    if (slot >= snapshots_) {
        return {};
    }
    Snapshot snapshot;
    const std::byte* const start = snapshots_start_ + slot * snapshot_stride_;
    snapshot.header = at<SnapshotHeader>(start, 0);
    snapshot.buckets = at<ServiceRecord>(start, sizeof(SnapshotHeader));
    snapshot.ranges = snapshot.buckets + buckets_;
    snapshot.bucket_mask = read_once(snapshot.header->bucket_mask);
    snapshot.range_count = std::min(read_once(snapshot.header->range_count), ranges_);
    snapshot.port_count = std::min(read_once(snapshot.header->port_count), kMaxPorts);
    snapshot.flow_hash_seed = read_once(snapshot.header->flow_hash_seed);
    for (std::uint32_t port = 0; port < snapshot.port_count; ++port) {
        snapshot.has_vlans |= read_once(snapshot.header->ports[port].vlan) != 0;
    }
    if (snapshot.bucket_mask >= buckets_ || !std::has_single_bit(snapshot.bucket_mask + 1)) {
        return {};
    }
    snapshot.has_limits = read_once(snapshot.header->limited_services) != 0;
    snapshot.prefixes = prefix_table(*snapshot.header);
    return snapshot;
}

}  // namespace fairlead::shm
