#include "ctl/trace/flows_file.h"

#include <bit>
#include <span>
#include <utility>

#include "dp/base/read_once.h"
#include "dp/shm/flows.h"
#include "dp/shm/telemetry.h"

namespace fairlead::trace {

Result<FlowsFile> FlowsFile::open(const std::string& run_dir) {
    Result<shm::Segment> opened = shm::Segment::open_read_only(shm::kFlows, run_dir);
    if (!opened) {
        return Unexpected{opened.error()};
    }
    const std::span<const std::byte> bytes = opened->bytes();
    if (bytes.size() < sizeof(shm::FlowsHeader)) {
        return fail(run_dir + "/flows is too short; restart lbdp");
    }
    const auto& header = opened->header<shm::FlowsHeader>();
    const std::uint32_t tables = read_once(header.tables);
    const std::uint64_t buckets = read_once(header.buckets_per_table);
    const std::uint64_t room = (bytes.size() - sizeof(shm::FlowsHeader)) / sizeof(shm::FlowBucket);
    const bool is_sound = read_once(header.tables_offset) == sizeof(shm::FlowsHeader) &&
                          tables > 0 && tables <= shm::kMaxWorkers && buckets > 1 &&
                          std::has_single_bit(buckets) && buckets <= room / tables;
    if (!is_sound) {
        return fail(run_dir + "/flows says that it holds more than it does; restart lbdp");
    }
    FlowsFile file;
    // Aligned: a mapping begins at a page, and the header is a multiple of a bucket's size.
    const auto* const first = static_cast<const shm::FlowBucket*>(
        static_cast<const void*>(bytes.data() + sizeof(shm::FlowsHeader)));
    for (std::uint32_t table = 0; table < tables; ++table) {
        file.tables_.emplace_back(std::span(first + table * buckets, buckets));
    }
    file.segment_ = std::move(*opened);
    return file;
}

FlowTick FlowsFile::now() const {
    // One writer, and no order with anything else is needed.
    return FlowTick{segment_.header<shm::FlowsHeader>().last_tick.load(std::memory_order_relaxed)};
}

}  // namespace fairlead::trace
