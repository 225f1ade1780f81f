// Counters of a BPF program in a per-CPU array, by outcome, added up over all CPUs.
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "dp/base/error_text.h"
#include "dp/base/result.h"

namespace fairlead {

// `map_fd` is a BPF_MAP_TYPE_PERCPU_ARRAY of std::uint64_t with an entry for each of the counters.
// Error: the kernel does not give them.
template <std::size_t kOutcomes>
[[nodiscard]] Result<std::array<std::uint64_t, kOutcomes>> sum_per_cpu(int map_fd,
                                                                       std::string_view program) {
    const int cpus = libbpf_num_possible_cpus();
    if (cpus <= 0) {
        return fail("cannot tell how many CPUs there are");
    }
    std::vector<std::uint64_t> per_cpu(static_cast<std::size_t>(cpus));
    std::array<std::uint64_t, kOutcomes> totals{};
    for (std::uint32_t outcome = 0; outcome < totals.size(); ++outcome) {
        if (bpf_map_lookup_elem(map_fd, &outcome, per_cpu.data()) != 0) {
            return fail(
                fmt::format("cannot read the counters of {}: {}", program, error_text(errno)));
        }
        for (const std::uint64_t count : per_cpu) {
            totals.at(outcome) += count;
        }
    }
    return totals;
}

}  // namespace fairlead
