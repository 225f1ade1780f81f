// The writer's side of the `tables` file: made or taken over, with typed access to every slot.
//
// Owns the mapping. Positions are this program's own, which the header of a file that it takes over
// must agree with; indices are the publisher's own and in bounds. Backends, infos and the header
// have their memory from the start; a slot of the other pools gets it by reserve_..(), which is
// called before the slot is written.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "ctl/prefix/prefix_table.h"
#include "dp/base/result.h"
#include "dp/shm/segment.h"
#include "dp/shm/tables.h"

namespace fairlead::publish {

class TablesFile {
  public:
    // Takes over the file in `run_dir` or makes one. A file of another layout is replaced only if
    // `is_followed` says that no engine forwards by it, a damaged one of ours always; backends keep
    // index and incarnation.
    [[nodiscard]] static Result<TablesFile> open(const std::string& run_dir,
                                                 std::string_view version,
                                                 const std::function<bool()>& is_followed);

    [[nodiscard]] shm::TablesHeader& header() const noexcept;
    // False once somebody has removed, replaced or cut it.
    [[nodiscard]] bool is_current() const { return segment_.is_current(shm::kTables, run_dir_); }
    // False once somebody has cut it: what stood behind reads as zeros, for the engine too.
    [[nodiscard]] bool is_whole() const { return segment_.is_whole(); }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return segment_.bytes(); }
    [[nodiscard]] shm::BackendRecord& backend(std::uint32_t index) const noexcept;
    [[nodiscard]] shm::BackendInfo& backend_info(std::uint32_t index) const noexcept;
    [[nodiscard]] shm::ServiceInfo& service_info(std::uint32_t id) const noexcept;
    [[nodiscard]] shm::SnapshotHeader& snapshot(std::uint32_t slot) const noexcept;
    [[nodiscard]] std::span<shm::ServiceRecord> buckets(std::uint32_t slot) const noexcept;
    [[nodiscard]] std::span<shm::ServiceRecord> ranges(std::uint32_t slot) const noexcept;
    [[nodiscard]] std::span<std::uint16_t> ring(std::uint32_t slot) const noexcept;
    [[nodiscard]] prefix::Slot prefix_table(std::uint32_t slot) const noexcept;

    // Room for what is to be stored in a slot. Error: the run directory has none.
    [[nodiscard]] Status reserve_snapshot(std::uint32_t slot,
                                          std::size_t bucket_count,
                                          std::size_t range_count) const;
    [[nodiscard]] Status reserve_ring(std::uint32_t slot) const;
    [[nodiscard]] Status reserve_prefix_table(std::uint32_t slot,
                                              const prefix::TableContent& content) const;

  private:
    TablesFile(shm::Segment segment, std::string run_dir)
        : segment_(std::move(segment)), run_dir_(std::move(run_dir)) {}
    // Error: the run directory has no room for these bytes of the file.
    template <typename T>
    [[nodiscard]] Status reserve(std::span<T> place) const;
    template <typename T>
    [[nodiscard]] T* at(std::uint64_t offset) const noexcept;

    shm::Segment segment_;
    std::string run_dir_;
};

}  // namespace fairlead::publish
