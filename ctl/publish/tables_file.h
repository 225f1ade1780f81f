// The writer's side of the `tables` file: made or taken over, with typed access to every slot.
//
// Owns the mapping. Positions come from the header that this program wrote or checked; indices are
// the publisher's own and in bounds.
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
    // `engine_lives` says that nobody can have it mapped.
    [[nodiscard]] static Result<TablesFile> open(const std::string& run_dir,
                                                 std::string_view version,
                                                 const std::function<bool()>& engine_lives);

    [[nodiscard]] shm::TablesHeader& header() const noexcept;
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return segment_.bytes(); }
    [[nodiscard]] shm::BackendRecord& backend(std::uint32_t index) const noexcept;
    [[nodiscard]] shm::BackendInfo& backend_info(std::uint32_t index) const noexcept;
    [[nodiscard]] shm::ServiceInfo& service_info(std::uint32_t id) const noexcept;
    [[nodiscard]] shm::SnapshotHeader& snapshot(std::uint32_t slot) const noexcept;
    [[nodiscard]] std::span<shm::ServiceRecord> buckets(std::uint32_t slot) const noexcept;
    [[nodiscard]] std::span<shm::ServiceRecord> ranges(std::uint32_t slot) const noexcept;
    [[nodiscard]] std::span<std::uint16_t> ring(std::uint32_t slot) const noexcept;
    [[nodiscard]] prefix::Slot prefix_table(std::uint32_t slot) const noexcept;

  private:
    explicit TablesFile(shm::Segment segment) : segment_(std::move(segment)) {}
    template <typename T>
    [[nodiscard]] T* at(std::uint64_t offset) const noexcept;

    shm::Segment segment_;
};

}  // namespace fairlead::publish
