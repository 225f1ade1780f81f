#include <algorithm>
#include <bit>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "dp/base/error_text.h"
#include "dp/base/log.h"
#include "dp/engine/hugetlb_mount.h"
#include "dp/engine/numa.h"
#include "dp/engine/segments.h"

namespace fairlead::engine {
namespace {

constexpr std::uint64_t kTablesOffset = sizeof(shm::FlowsHeader);
// Whoever maps memory meanwhile waits for one such piece.
constexpr std::size_t kLockedAtOnce = std::size_t{2} << 20U;

// FNV-1a: a name in the mount that all run directories share, the same at each start.
std::string directory_in(const std::string& mount, const std::string& run_dir) {
    std::uint64_t hash = 0xCBF2'9CE4'8422'2325ULL;
    for (const char letter : run_dir) {
        hash = (hash ^ static_cast<unsigned char>(letter)) * 0x0000'0100'0000'01B3ULL;
    }
    return fmt::format("{}/fairlead-{:016x}", mount, hash);
}

void fill_header(std::span<std::byte> bytes, const FlowsGeometry& geometry) {
    // A mapping's start is page-aligned.
    auto& header = *static_cast<shm::FlowsHeader*>(static_cast<void*>(bytes.data()));
    header.tables = geometry.tables;
    header.buckets_per_table = geometry.buckets_per_table;
    header.tables_offset = kTablesOffset;
}

// The geometry, if the segment has room for it.
FlowsGeometry geometry_of(const shm::Segment& segment) {
    if (segment.bytes().size() < sizeof(shm::FlowsHeader)) {
        return {};
    }
    const auto& header = segment.header<shm::FlowsHeader>();
    const FlowsGeometry geometry{header.tables, header.buckets_per_table};
    const std::uint64_t room =
        (segment.bytes().size() - sizeof(shm::FlowsHeader)) / sizeof(shm::FlowBucket);
    const bool is_sane = header.tables_offset == kTablesOffset && geometry.tables > 0 &&
                         std::has_single_bit(geometry.buckets_per_table) &&
                         geometry.buckets_per_table > 1 &&
                         geometry.buckets_per_table <= room / geometry.tables;
    return is_sane ? geometry : FlowsGeometry{};
}

std::span<shm::FlowBucket> table_of(const shm::Segment& segment, std::uint32_t number) {
    const FlowsGeometry geometry = geometry_of(segment);
    // Aligned: the header is a multiple of a bucket's size.
    auto* const first =
        static_cast<shm::FlowBucket*>(static_cast<void*>(segment.bytes().data() + kTablesOffset));
    return {first + number * geometry.buckets_per_table, geometry.buckets_per_table};
}

// Where the flow tables go in huge pages: into a directory of ours on the operator's mount, or on
// one that is made for them.
Result<std::string> make_directory(const std::string& run_dir,
                                   const HugePagePool& pool,
                                   std::uint64_t bytes) {
    if (pool.mount.empty()) {
        return mount_hugetlbfs(run_dir, pool.page_bytes, bytes);
    }
    const std::string directory = directory_in(pool.mount, run_dir);
    if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) {
        return fail("cannot make " + directory + ": " + error_text(errno));
    }
    // An earlier one is mapped by nobody but, to read from it, by us.
    if (Status removed = shm::Segment::remove(shm::kFlows, directory); !removed) {
        return Unexpected{removed.error()};
    }
    return directory;
}

// Takes the file away that RUN_DIR/flows was a link to; whoever has mapped it keeps it.
void remove_from_hugetlbfs(const std::string& run_dir, const std::string& directory) {
    (void)::unlink((directory + "/flows").c_str());
    if (directory == own_mount_in(run_dir)) {
        unmount_hugetlbfs(run_dir);
    } else {
        (void)::rmdir(directory.c_str());
    }
}

// The directory of the file that RUN_DIR/flows is a link to; empty where it is none.
std::string linked_directory(const std::string& run_dir) {
    std::error_code error;
    return std::filesystem::read_symlink(run_dir + "/flows", error).parent_path();
}

// Makes the segment on a hugetlbfs, and RUN_DIR/flows a link to it.
Result<shm::Segment> create_on_hugetlbfs(const std::string& run_dir,
                                         std::string_view version,
                                         const FlowsGeometry& geometry,
                                         const HugePagePool& pool) {
    const std::uint64_t bytes = round_up(geometry.size_bytes(), pool.page_bytes);
    const std::string former = linked_directory(run_dir);
    const Result<std::string> directory = make_directory(run_dir, pool, bytes);
    if (!directory) {
        return Unexpected{directory.error()};
    }
    Result<shm::Segment> made = shm::Segment::create(
        shm::kFlows, *directory, bytes, version, [&geometry](std::span<std::byte> memory) {
            fill_header(memory, geometry);
        });
    if (!made) {
        remove_from_hugetlbfs(run_dir, *directory);
        return made;
    }
    const std::string name = run_dir + "/flows";
    const std::string temporary = name + ".link";
    (void)::unlink(temporary.c_str());
    if (::symlink((*directory + "/flows").c_str(), temporary.c_str()) != 0 ||
        ::rename(temporary.c_str(), name.c_str()) != 0) {
        const int error = errno;
        remove_from_hugetlbfs(run_dir, *directory);
        return fail("cannot link " + name + " to " + *directory + ": " + error_text(error));
    }
    if (!former.empty() && former != *directory) {
        remove_from_hugetlbfs(run_dir, former);
    }
    return made;
}

Result<shm::Segment> create(const std::string& run_dir,
                            std::string_view version,
                            const FlowsGeometry& geometry,
                            const HugePagePool* pool) {
    if (pool != nullptr) {
        Result<shm::Segment> made = create_on_hugetlbfs(run_dir, version, geometry, *pool);
        if (made) {
            return made;
        }
        log_warning("flows-without-hugepages", {{"reason", made.error().message}});
    }
    const std::string former = linked_directory(run_dir);
    if (Status removed = shm::Segment::remove(shm::kFlows, run_dir); !removed) {
        return Unexpected{removed.error()};
    }
    Result<shm::Segment> made = shm::Segment::create(
        shm::kFlows,
        run_dir,
        round_up(geometry.size_bytes(), 4096),
        version,
        [&geometry](std::span<std::byte> bytes) { fill_header(bytes, geometry); });
    if (!made) {
        return fail(made.error().message + ", or lower [engine] flows");
    }
    if (!former.empty()) {
        remove_from_hugetlbfs(run_dir, former);
    }
    return made;
}

}  // namespace

std::uint64_t FlowsGeometry::size_bytes() const {
    return kTablesOffset + tables * buckets_per_table * sizeof(shm::FlowBucket);
}

FlowsGeometry plan_flows(std::uint64_t flows, std::uint32_t workers) {
    const std::uint64_t per_worker = (flows + workers - 1) / workers;
    const std::uint64_t buckets =
        round_up(per_worker * 2, shm::kFlowsPerBucket) / shm::kFlowsPerBucket;
    return {workers, std::bit_ceil(std::max<std::uint64_t>(buckets, 2))};
}

Result<Flows> Flows::open(const std::string& run_dir,
                          std::string_view version,
                          const FlowsGeometry& geometry,
                          const HugePagePool* huge_pages) {
    Flows flows;
    std::uint64_t tick = 0;
    if (shm::Segment::exists(shm::kFlows, run_dir)) {
        Result<shm::Segment> last = shm::Segment::open_writer(shm::kFlows, run_dir);
        // An engine of an earlier version has left holes where no flow ever was.
        const Status there = last ? last->allocate(0, last->bytes().size()) : Status{};
        if (last && geometry_of(*last) == geometry) {
            if (!there) {
                return Unexpected{there.error()};
            }
            flows.segment_ = std::move(*last);
            flows.is_taken_over_ = true;
        } else if (last && there && geometry_of(*last).tables > 0) {
            tick = last->header<shm::FlowsHeader>().last_tick.load(std::memory_order_relaxed);
            flows.old_segment_ = std::move(*last);
        } else {
            log_warning("flows-lost",
                        {{"reason",
                          !last    ? last.error().message
                          : !there ? there.error().message
                                   : "its header is damaged"}});
        }
    }
    if (!flows.is_taken_over_) {
        Result<shm::Segment> made = create(run_dir, version, geometry, huge_pages);
        if (!made) {
            return Unexpected{made.error()};
        }
        flows.segment_ = std::move(*made);
        flows.keep_tick(tick);
    }
    struct statfs status {};
    flows.uses_hugepages_ =
        ::statfs((run_dir + "/flows").c_str(), &status) == 0 && status.f_type == HUGETLBFS_MAGIC;
    return flows;
}

void Flows::settle(std::uint32_t worker, std::uint32_t cpu) const {
    const std::span<std::byte> bytes = std::as_writable_bytes(table(worker));
    if (const std::optional<unsigned> node = has_several_nodes() ? node_of(cpu) : std::nullopt) {
        if (Status moved = prefer_node(bytes, *node); !moved) {
            log_warning("flows-on-another-node",
                        {{"worker", worker}, {"reason", moved.error().message}});
        }
    }
}

void Flows::lock(std::uint32_t worker) const {
    std::span<std::byte> bytes = std::as_writable_bytes(table(worker));
    while (!bytes.empty()) {
        const std::size_t length = std::min(bytes.size(), kLockedAtOnce);
        if (::mlock(bytes.data(), length) != 0) {
            log_warning("flows-not-locked",
                        {{"worker", worker},
                         {"reason", error_text(errno)},
                         {"fix", "give lbdp CAP_IPC_LOCK, or its unit LimitMEMLOCK=infinity"}});
            return;
        }
        bytes = bytes.subspan(length);
    }
}

std::span<shm::FlowBucket> Flows::table(std::uint32_t worker) const {
    return table_of(segment_, worker);
}

std::vector<FlowTableView> Flows::old_tables() const {
    std::vector<FlowTableView> views;
    if (old_segment_.is_open()) {
        for (std::uint32_t number = 0; number < geometry_of(old_segment_).tables; ++number) {
            views.emplace_back(table_of(old_segment_, number));
        }
    }
    return views;
}

std::uint64_t Flows::last_tick() const {
    return segment_.header<shm::FlowsHeader>().last_tick.load(std::memory_order_relaxed);
}

void Flows::keep_tick(std::uint64_t tick) const {
    // One writer; the next engine reads it after this one is gone.
    segment_.header<shm::FlowsHeader>().last_tick.store(tick, std::memory_order_relaxed);
}

}  // namespace fairlead::engine
