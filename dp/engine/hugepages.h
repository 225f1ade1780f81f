// Whether huge pages are used: what the machine has, against what was asked for and what is needed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dp/base/result.h"
#include "dp/engine/options.h"

namespace fairlead::engine {

// The pages of one size. DPDK takes any; the flow tables need a mount, an operator's or our own.
struct HugePagePool {
    std::uint64_t page_bytes = 0;
    std::uint64_t total_pages = 0;
    std::uint64_t free_pages = 0;
    std::string mount;  // an operator's hugetlbfs of this page size; empty: there is none

    [[nodiscard]] std::uint64_t free_bytes() const { return page_bytes * free_pages; }
};

// Reads /sys/kernel/mm/hugepages and the mounts. Empty where the kernel has no huge pages.
[[nodiscard]] std::vector<HugePagePool> find_hugepages();

struct HugePageChoice {
    bool uses_hugepages = false;
    std::string reason;  // for the log: why not
};

// `needed_bytes` must be free in pages of one size. Error: required, and not there.
[[nodiscard]] Result<HugePageChoice> choose_hugepages(HugePageUse wanted,
                                                      const std::vector<HugePagePool>& pools,
                                                      std::uint64_t needed_bytes);

[[nodiscard]] constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
    return (value + unit - 1) / unit * unit;
}

}  // namespace fairlead::engine
