#include "dp/engine/cpus.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <sched.h>

#include "dp/base/error_text.h"

namespace fairlead::engine {
namespace {

constexpr std::uint32_t kMaxCpus = CPU_SETSIZE;

}  // namespace

std::vector<std::uint32_t> allowed_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<std::uint32_t> cpus;
    if (::sched_getaffinity(0, sizeof set, &set) != 0) {
        return cpus;
    }
    for (std::uint32_t cpu = 0; cpu < kMaxCpus; ++cpu) {
        if (CPU_ISSET(cpu, &set)) {
            cpus.push_back(cpu);
        }
    }
    return cpus;
}

Status check_cpus(const std::vector<std::uint32_t>& wanted,
                  const std::vector<std::uint32_t>& allowed) {
    std::vector<std::uint32_t> seen;
    for (const std::uint32_t cpu : wanted) {
        if (!std::binary_search(allowed.begin(), allowed.end(), cpu)) {
            return fail(
                fmt::format("[engine] cpus: CPU {} is not there, or this process may not "
                            "use it; it may use {}. Change cpus, or the unit's "
                            "AllowedCPUs= or CPUAffinity=",
                            cpu,
                            describe_cpus(allowed)));
        }
        if (std::find(seen.begin(), seen.end(), cpu) != seen.end()) {
            return fail(fmt::format(
                "[engine] cpus names CPU {} twice; each worker needs one of its own", cpu));
        }
        seen.push_back(cpu);
    }
    return {};
}

std::string describe_cpus(const std::vector<std::uint32_t>& cpus) {
    std::string text;
    for (std::size_t first = 0; first < cpus.size();) {
        std::size_t last = first;
        while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) {
            ++last;
        }
        text += text.empty() ? "" : ",";
        text += first == last ? fmt::format("{}", cpus[first])
                              : fmt::format("{}-{}", cpus[first], cpus[last]);
        first = last + 1;
    }
    return text;
}

Status pin_to(const std::vector<std::uint32_t>& cpus) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const std::uint32_t cpu : cpus) {
        CPU_SET(cpu, &set);
    }
    if (::sched_setaffinity(0, sizeof set, &set) != 0) {
        return fail(fmt::format(
            "cannot pin a thread to CPU {}: {}", describe_cpus(cpus), error_text(errno)));
    }
    return {};
}

std::vector<std::uint32_t> control_cpus(const std::vector<std::uint32_t>& workers,
                                        const std::vector<std::uint32_t>& allowed) {
    std::vector<std::uint32_t> others;
    for (const std::uint32_t cpu : allowed) {
        if (std::find(workers.begin(), workers.end(), cpu) == workers.end()) {
            others.push_back(cpu);
        }
    }
    return others.empty() ? allowed : others;
}

}  // namespace fairlead::engine
