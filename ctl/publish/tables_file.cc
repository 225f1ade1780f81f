#include "ctl/publish/tables_file.h"

#include <utility>
#include <vector>

#include "ctl/publish/identities.h"
#include "dp/shm/snapshot.h"

namespace fairlead::publish {

namespace {

[[nodiscard]] constexpr std::uint64_t whole_lines(std::uint64_t bytes) {
    return (bytes + kCacheLineBytes - 1) / kCacheLineBytes * kCacheLineBytes;
}

// The pools one after the other, each beginning on a cache line.
[[nodiscard]] std::uint64_t lay_out(shm::TablesHeader& header) {
    header.backends = shm::kMaxBackends;
    header.services = shm::kMaxServices;
    header.snapshots = shm::kSnapshotSlots;
    header.buckets = shm::kServiceBuckets;
    header.ranges = shm::kMaxServices;
    header.rings = shm::kMaxServices + shm::kSpareRings;
    header.ring_entries = shm::kRingEntries;
    header.snapshot_stride =
        sizeof(shm::SnapshotHeader) +
        (std::uint64_t{header.buckets} + header.ranges) * sizeof(shm::ServiceRecord);
    header.ring_stride = whole_lines(std::uint64_t{header.ring_entries} * sizeof(std::uint16_t));
    std::uint64_t offset = sizeof(shm::TablesHeader);
    header.backends_offset = offset;
    offset += std::uint64_t{header.backends} * sizeof(shm::BackendRecord);
    header.backend_infos_offset = offset;
    offset += std::uint64_t{header.backends} * sizeof(shm::BackendInfo);
    header.service_infos_offset = offset;
    offset += std::uint64_t{header.services} * sizeof(shm::ServiceInfo);
    header.snapshots_offset = offset;
    offset += header.snapshots * header.snapshot_stride;
    header.rings_offset = offset;
    offset += header.rings * header.ring_stride;
    header.prefix_tables = shm::kPrefixTables;
    header.prefix_lists = shm::kMaxPrefixLists;
    header.prefixes = shm::kMaxPrefixes;
    header.prefix_tables_offset = offset;
    header.prefix_table_stride =
        whole_lines(shm::PrefixCapacity{header.prefix_lists, header.prefixes}.bytes());
    offset += header.prefix_tables * header.prefix_table_stride;
    return offset;
}

// The publisher addresses every slot by today's capacities, so a file with others is another
// layout.
[[nodiscard]] bool has_own_capacities(const shm::TablesHeader& header, std::uint64_t size_bytes) {
    shm::TablesHeader own{};
    return lay_out(own) == size_bytes && own.backends == header.backends &&
           own.services == header.services && own.snapshots == header.snapshots &&
           own.buckets == header.buckets && own.ranges == header.ranges &&
           own.rings == header.rings && own.ring_entries == header.ring_entries &&
           own.backends_offset == header.backends_offset &&
           own.backend_infos_offset == header.backend_infos_offset &&
           own.service_infos_offset == header.service_infos_offset &&
           own.snapshots_offset == header.snapshots_offset &&
           own.snapshot_stride == header.snapshot_stride &&
           own.rings_offset == header.rings_offset && own.ring_stride == header.ring_stride &&
           own.prefix_tables == header.prefix_tables && own.prefix_lists == header.prefix_lists &&
           own.prefixes == header.prefixes &&
           own.prefix_tables_offset == header.prefix_tables_offset &&
           own.prefix_table_stride == header.prefix_table_stride;
}

// Where everything is in a file that this program made or took over. Not read from the file, which
// somebody may have cut: its zeros would be positions.
[[nodiscard]] const shm::TablesHeader& own_layout() noexcept {
    struct Own {
        shm::TablesHeader header{};
        Own() { static_cast<void>(lay_out(header)); }
    };
    static const Own own;
    return own.header;
}

// A pool of a new file, one object for each backend.
template <typename T>
[[nodiscard]] std::span<T> pool(std::span<std::byte> bytes, std::uint64_t offset) {
    return {static_cast<T*>(static_cast<void*>(bytes.data() + offset)), shm::kMaxBackends};
}

}  // namespace

Result<TablesFile> TablesFile::open(const std::string& run_dir,
                                    std::string_view version,
                                    const std::function<bool()>& is_followed) {
    if (shm::Segment::exists(shm::kTables, run_dir)) {
        Result<shm::Segment> existing = shm::Segment::open_writer(shm::kTables, run_dir);
        if (existing && existing->bytes().size() >= sizeof(shm::TablesHeader) &&
            has_own_capacities(existing->header<shm::TablesHeader>(), existing->bytes().size())) {
            // A predecessor may have left it with holes.
            if (Status there =
                    existing->allocate(0, existing->header<shm::TablesHeader>().snapshots_offset);
                !there) {
                return Unexpected{there.error()};
            }
            remove_tables_aside(run_dir);
            return {TablesFile(std::move(existing).value(), run_dir)};
        }
        // Whoever holds the lock lives.
        if (!existing && shm::Segment::is_locked(shm::kTables, run_dir)) {
            return Unexpected{existing.error()};
        }
        // An engine that forwards by a file of our layout goes over to the new one; one of another
        // layout would never see a change again. A file that does not say is as good as none.
        if (!existing && shm::Segment::has_other_layout(shm::kTables, run_dir) && is_followed()) {
            return fail(existing.error().message +
                        "; a running lbdp forwards by it: restart lbdp by its new version, which "
                        "waits for this lbd's tables, then start lbd again");
        }
        if (Status moved = set_tables_aside(run_dir); !moved) {
            return Unexpected{moved.error()};
        }
    }
    const std::vector<Identity> identities = read_identities(run_dir);
    shm::TablesHeader capacities{};
    const std::uint64_t size_bytes = lay_out(capacities);
    Result<shm::Segment> made = shm::Segment::create(
        shm::kTables,
        run_dir,
        shm::SegmentSize{size_bytes, capacities.snapshots_offset},
        version,
        [&identities](std::span<std::byte> bytes) {
            auto* const header = static_cast<shm::TablesHeader*>(static_cast<void*>(bytes.data()));
            static_cast<void>(lay_out(*header));
            header->root.store(shm::kSnapshotSlots,
                               std::memory_order_relaxed);  // names no snapshot
            write_identities(identities,
                             header->segment.instance,
                             pool<shm::BackendRecord>(bytes, header->backends_offset),
                             pool<shm::BackendInfo>(bytes, header->backend_infos_offset));
        });
    if (!made) {
        return Unexpected{made.error()};
    }
    remove_tables_aside(run_dir);
    return {TablesFile(std::move(made).value(), run_dir)};
}

template <typename T>
T* TablesFile::at(std::uint64_t offset) const noexcept {
    return static_cast<T*>(static_cast<void*>(segment_.bytes().data() + offset));
}

shm::TablesHeader& TablesFile::header() const noexcept {
    return segment_.header<shm::TablesHeader>();
}

shm::BackendRecord& TablesFile::backend(std::uint32_t index) const noexcept {
    return at<shm::BackendRecord>(own_layout().backends_offset)[index];
}

shm::BackendInfo& TablesFile::backend_info(std::uint32_t index) const noexcept {
    return at<shm::BackendInfo>(own_layout().backend_infos_offset)[index];
}

shm::ServiceInfo& TablesFile::service_info(std::uint32_t id) const noexcept {
    return at<shm::ServiceInfo>(own_layout().service_infos_offset)[id];
}

shm::SnapshotHeader& TablesFile::snapshot(std::uint32_t slot) const noexcept {
    return *at<shm::SnapshotHeader>(own_layout().snapshots_offset +
                                    slot * own_layout().snapshot_stride);
}

std::span<shm::ServiceRecord> TablesFile::buckets(std::uint32_t slot) const noexcept {
    const std::uint64_t start = own_layout().snapshots_offset + slot * own_layout().snapshot_stride;
    return {at<shm::ServiceRecord>(start + sizeof(shm::SnapshotHeader)), own_layout().buckets};
}

std::span<shm::ServiceRecord> TablesFile::ranges(std::uint32_t slot) const noexcept {
    const std::span<shm::ServiceRecord> before = buckets(slot);
    return {before.data() + before.size(), own_layout().ranges};
}

std::span<std::uint16_t> TablesFile::ring(std::uint32_t slot) const noexcept {
    return {at<std::uint16_t>(own_layout().rings_offset + slot * own_layout().ring_stride),
            own_layout().ring_entries};
}

prefix::Slot TablesFile::prefix_table(std::uint32_t slot) const noexcept {
    const shm::TablesHeader& head = own_layout();
    return {segment_.bytes().subspan(head.prefix_tables_offset + slot * head.prefix_table_stride,
                                     head.prefix_table_stride),
            {head.prefix_lists, head.prefixes}};
}

template <typename T>
Status TablesFile::reserve(std::span<T> place) const {
    const std::span<const std::byte> bytes = std::as_bytes(place);
    return segment_.allocate(static_cast<std::uint64_t>(bytes.data() - segment_.bytes().data()),
                             bytes.size());
}

Status TablesFile::reserve_snapshot(std::uint32_t slot,
                                    std::size_t bucket_count,
                                    std::size_t range_count) const {
    Status there = reserve(std::span(&snapshot(slot), 1));
    if (there) {
        there = reserve(buckets(slot).first(bucket_count));
    }
    return there ? reserve(ranges(slot).first(range_count)) : there;
}

Status TablesFile::reserve_ring(std::uint32_t slot) const {
    return reserve(ring(slot));
}

Status TablesFile::reserve_prefix_table(std::uint32_t slot,
                                        const prefix::TableContent& content) const {
    for (const std::span<std::byte> place : prefix::places_of(content, prefix_table(slot))) {
        if (Status there = reserve(place); !there) {
            return there;
        }
    }
    return {};
}

}  // namespace fairlead::publish
