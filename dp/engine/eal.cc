#include "dp/engine/eal.h"

#include <cstdlib>

#include <fmt/format.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "dp/base/error_text.h"
#include "dp/engine/cpus.h"
#include "dp/engine/dpdk_log.h"

namespace fairlead::engine {

std::vector<std::string> eal_arguments(const EalOptions& options) {
    std::vector<std::string> arguments{
        "lbdp",
        // One lcore for this thread; workers are threads of our own that register (worker.h).
        "--lcores",
        fmt::format("0@({})", describe_cpus(options.control_cpus)),
        "--no-pci",
        "--no-telemetry",
        "--iova-mode=va",
        "--file-prefix=lbdp",
        "--log-level=*:warning",
    };
    if (options.uses_hugepages) {
        // Takes pages as it needs them, from any free ones, and leaves no file behind.
        arguments.emplace_back("--in-memory");
    } else {
        arguments.insert(
            arguments.end(),
            {"--no-huge", "--no-shconf", "-m", fmt::format("{}", options.memory_bytes >> 20U)});
    }
    return arguments;
}

void set_eal_environment(const std::string& run_dir) {
    ::setenv("RUNTIME_DIRECTORY", run_dir.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
}

Status start_eal(const EalOptions& options) {
    send_dpdk_messages_to_log();
    std::vector<std::string> arguments = eal_arguments(options);
    std::vector<char*> pointers;
    pointers.reserve(arguments.size());
    for (std::string& argument : arguments) {
        pointers.push_back(argument.data());
    }
    if (rte_eal_init(static_cast<int>(pointers.size()), pointers.data()) < 0) {
        return fail(fmt::format("DPDK does not start: {}; its own words stand above",
                                error_text(rte_errno)));
    }
    return {};
}

}  // namespace fairlead::engine
