// A directory in which BPF objects can be pinned, so that they outlive the process that made them.
//
// Pins live in a bpffs of their own under the run directory, not in /sys/fs/bpf: what belongs to
// one instance lies in one place, and `ip netns exec` hides /sys/fs/bpf. The mount stays when the
// program ends; `umount RUN_DIR/bpf` takes every pin away. In a mount namespace of its own
// (systemd's PrivateMounts=, `ip netns exec`) the mount goes with the namespace, and the pins with
// it.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "dp/base/result.h"

namespace fairlead {

[[nodiscard]] bool is_pin_directory(const std::string& path);

// Makes `path` and mounts a bpffs on it unless there is one. Requires CAP_SYS_ADMIN to mount.
[[nodiscard]] Status prepare_pin_directory(const std::string& path);

// Unmounts it and deletes the directory, unless some pin is in it: then it is somebody else's too.
// No such directory is no error.
[[nodiscard]] Status release_pin_directory(const std::string& path);

// A name as bpffs takes it: without dots, which interface names may hold ("eth0.7").
[[nodiscard]] std::string pin_name(std::string_view prefix, std::string_view name);

// Takes away every pin whose name has one of the prefixes and none of the interfaces behind it, and
// so what only the pin kept. Returns how many; 0 where there is no directory.
std::size_t remove_other_pins(const std::string& directory,
                              std::span<const std::string_view> prefixes,
                              std::span<const std::string> interfaces);

}  // namespace fairlead
