#include "tests/support/tables_image.h"

#include <algorithm>
#include <stdexcept>
#include <tuple>

namespace fairlead::testing {

namespace {

[[nodiscard]] std::uint64_t rounded(std::uint64_t bytes) noexcept {
    return (bytes + kCacheLineBytes - 1) / kCacheLineBytes * kCacheLineBytes;
}

}  // namespace

TablesImage::TablesImage(const TablesShape& shape) {
    const std::uint64_t snapshot_stride =
        sizeof(shm::SnapshotHeader) +
        (std::uint64_t{shape.buckets} + shape.ranges) * sizeof(shm::ServiceRecord);
    const std::uint64_t ring_stride =
        rounded(std::uint64_t{shape.ring_entries} * sizeof(std::uint16_t));
    const std::uint64_t backends_offset = sizeof(shm::TablesHeader);
    const std::uint64_t snapshots_offset =
        backends_offset + std::uint64_t{shape.backends} * sizeof(shm::BackendRecord);
    const std::uint64_t rings_offset = snapshots_offset + snapshot_stride;
    const std::uint64_t prefix_tables_offset = rings_offset + ring_stride * shape.rings;
    const std::uint64_t prefix_table_stride =
        rounded(shm::PrefixCapacity{shape.prefix_lists, shape.prefixes}.bytes());
    lines_.resize((prefix_tables_offset + prefix_table_stride) / kCacheLineBytes);

    shm::TablesHeader& head = header();
    head.segment.magic = shm::kTablesMagic;
    head.segment.layout_version = shm::kTablesVersion;
    head.segment.fingerprint = shm::kTablesFingerprint;
    head.segment.size_bytes = bytes().size();
    head.segment.instance = 1;
    head.backends = shape.backends;
    head.services = shm::kMaxServices;
    head.snapshots = 1;
    head.buckets = shape.buckets;
    head.ranges = shape.ranges;
    head.rings = shape.rings;
    head.ring_entries = shape.ring_entries;
    head.backends_offset = backends_offset;
    head.snapshots_offset = snapshots_offset;
    head.snapshot_stride = snapshot_stride;
    head.rings_offset = rings_offset;
    head.ring_stride = ring_stride;
    head.prefix_tables = 1;
    head.prefix_lists = shape.prefix_lists;
    head.prefixes = shape.prefixes;
    head.prefix_tables_offset = prefix_tables_offset;
    head.prefix_table_stride = prefix_table_stride;
    snapshot().bucket_mask = shape.buckets - 1;
}

shm::TablesReader TablesImage::reader() {
    auto mapped = shm::TablesReader::map(bytes());
    if (!mapped) {
        throw std::logic_error("the image is not a sound `tables` segment");
    }
    return *mapped;
}

shm::TablesHeader& TablesImage::header() noexcept {
    return *at<shm::TablesHeader>(0);
}

shm::SnapshotHeader& TablesImage::snapshot() noexcept {
    return *at<shm::SnapshotHeader>(header().snapshots_offset);
}

shm::PortRecord& TablesImage::port(std::size_t index) noexcept {
    return snapshot().ports[index];
}

VirtualMacs& TablesImage::virtual_macs(std::size_t index) noexcept {
    return snapshot().virtual_macs[index];
}

shm::ServiceRecord& TablesImage::bucket_for(const ServiceKey& key) {
    auto* const buckets =
        at<shm::ServiceRecord>(header().snapshots_offset + sizeof(shm::SnapshotHeader));
    const Be16 port = Be16::from_host(key.port);
    std::uint32_t bucket = shm::service_bucket(key.vip, port, key.protocol);
    for (std::uint32_t probe = 0; probe < shm::kServiceProbes; ++probe, ++bucket) {
        shm::ServiceRecord& record = buckets[bucket & snapshot().bucket_mask];
        const bool is_same =
            record.vip == key.vip && record.port == port && record.protocol == key.protocol;
        if (record.protocol == shm::kEmptyBucket || is_same) {
            record.vip = key.vip;
            record.port = port;
            record.protocol = key.protocol;
            return record;
        }
    }
    throw std::logic_error("too many services for this image");
}

shm::ServiceRecord& TablesImage::range_for(const ServiceKey& key) {
    auto* const ranges =
        at<shm::ServiceRecord>(header().snapshots_offset + sizeof(shm::SnapshotHeader) +
                               header().buckets * sizeof(shm::ServiceRecord));
    std::uint32_t& count = snapshot().range_count;
    const auto order = [](const shm::ServiceRecord& record) {
        return std::tuple(record.vip, record.protocol, record.port.host());
    };
    shm::ServiceRecord record{};
    record.vip = key.vip;
    record.port = Be16::from_host(key.port);
    record.last_port = Be16::from_host(key.last_port);
    record.protocol = key.protocol;
    auto* const place =
        std::lower_bound(ranges, ranges + count, record, [&order](const auto& a, const auto& b) {
            return order(a) < order(b);
        });
    if (place != ranges + count && order(*place) == order(record)) {
        return *place;
    }
    if (count == header().ranges) {
        throw std::logic_error("too many ranges for this image");
    }
    std::move_backward(place, ranges + count, ranges + count + 1);
    *place = record;
    ++count;
    for (std::uint32_t i = 0; i < count; ++i) {
        shm::ServiceRecord& mark = vip_mark(ranges[i].vip);
        const bool is_first = i == 0 || ranges[i].vip != ranges[i - 1].vip;
        mark.range_first = is_first ? i : mark.range_first;
        mark.range_count = static_cast<std::uint16_t>(is_first ? 1 : mark.range_count + 1);
    }
    return *place;
}

shm::ServiceRecord& TablesImage::add_service(const ServiceKey& key,
                                             shm::ForwardingMode mode,
                                             ServiceId id,
                                             std::uint32_t ring_slot,
                                             std::span<const std::uint16_t> ring) {
    if (ring_slot >= header().rings || ring.size() > header().ring_entries) {
        throw std::logic_error("no room for this ring");
    }
    (void)bucket_for({key.vip, 0, shm::kVipMark});
    shm::ServiceRecord& record = key.last_port == 0 ? bucket_for(key) : range_for(key);
    record.mode = mode;
    record.id = id;
    record.ring = ring_slot;
    record.ring_entries = static_cast<std::uint32_t>(ring.size());
    std::ranges::copy(ring,
                      at<std::uint16_t>(header().rings_offset + ring_slot * header().ring_stride));
    ++snapshot().service_count;
    return record;
}

void TablesImage::set_backend(BackendIndex index,
                              ServiceId service,
                              const IpAddress& address,
                              shm::BackendWord word) noexcept {
    shm::BackendRecord& record = backend(index);
    record.service = service;
    record.address = address;
    record.path_mtu_bytes.store(shm::kNoPathMtu, std::memory_order_relaxed);
    record.word.store(word.raw(), std::memory_order_release);
}

shm::BackendRecord& TablesImage::backend(BackendIndex index) noexcept {
    return at<shm::BackendRecord>(header().backends_offset)[to_number(index)];
}

void TablesImage::set_prefix_lists(std::span<const prefix::Lists> lists) {
    const auto content = prefix::build_prefix_table(lists);
    const shm::TablesHeader& head = header();
    if (!content || content->header.list_count > head.prefix_lists ||
        content->header.prefix_count > head.prefixes) {
        throw std::logic_error(content ? "no room for these lists" : content.error().message);
    }
    prefix::store_prefix_table(
        *content,
        {bytes().subspan(head.prefix_tables_offset, head.prefix_table_stride),
         {head.prefix_lists, head.prefixes}});
    snapshot().prefix_table = 1;
}

void TablesImage::limit(shm::ServiceRecord& service,
                        std::uint32_t prefix_list,
                        std::uint32_t packets_per_second,
                        std::uint32_t new_flows_per_second) noexcept {
    service.prefix_list = prefix_list;
    service.packets_per_second = packets_per_second;
    service.new_flows_per_second = new_flows_per_second;
    ++snapshot().limited_services;
}

void TablesImage::publish(std::uint64_t generation) noexcept {
    snapshot().generation = generation;
    header().root.store(0, std::memory_order_release);
    header().generation.store(generation, std::memory_order_release);
}

}  // namespace fairlead::testing
