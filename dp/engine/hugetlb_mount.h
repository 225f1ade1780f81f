// A hugetlbfs of our own below the run directory, for the flow tables where nobody has mounted one.
//
// It outlives the process, as what is in it has to: `umount RUN_DIR/huge` takes it away. Thread:
// the one that starts the engine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dp/base/result.h"

namespace fairlead::engine {

// The device of our mounts in /proc/self/mounts, by which they are told from an operator's.
inline constexpr std::string_view kOwnMountDevice = "fairlead";

[[nodiscard]] std::string own_mount_in(const std::string& run_dir);

// Mounts it with room for `bytes` in pages of `page_bytes`, for root alone, and returns its
// directory. One that is there goes: its files live on in whoever has mapped them. Errors: no right
// to mount; a mount namespace of this process's own, with which the mount would end.
[[nodiscard]] Result<std::string> mount_hugetlbfs(const std::string& run_dir,
                                                  std::uint64_t page_bytes,
                                                  std::uint64_t bytes);
// Takes the mount and its directory away, if they are there.
void unmount_hugetlbfs(const std::string& run_dir);

}  // namespace fairlead::engine
