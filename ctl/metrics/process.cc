// The daemon as a process, by the names that every Prometheus client uses.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <sys/resource.h>
#include <unistd.h>

#include "ctl/metrics/exporter.h"
#include "dp/base/log.h"

namespace fairlead::metrics {
namespace {

// What proc(5) tells in /proc/self/stat behind the command's closing bracket.
struct Stat {
    std::uint64_t user_ticks = 0;
    std::uint64_t system_ticks = 0;
    std::uint64_t start_ticks = 0;  // since boot
    std::uint64_t virtual_bytes = 0;
    std::uint64_t resident_pages = 0;
};

Stat read_stat() {
    std::ifstream file("/proc/self/stat");
    std::stringstream buffer;
    buffer << file.rdbuf();
    const std::string text = buffer.str();
    const std::size_t bracket = text.rfind(')');
    if (bracket == std::string::npos) {
        return {};
    }
    std::istringstream fields(text.substr(bracket + 2));
    Stat stat;
    std::string value;
    for (int number = 3; fields >> value; ++number) {  // field 3 is the state
        std::uint64_t* const wanted = number == 14   ? &stat.user_ticks
                                      : number == 15 ? &stat.system_ticks
                                      : number == 22 ? &stat.start_ticks
                                      : number == 23 ? &stat.virtual_bytes
                                      : number == 24 ? &stat.resident_pages
                                                     : nullptr;
        if (wanted != nullptr) {
            std::istringstream(value) >> *wanted;
        }
    }
    return stat;
}

double boot_seconds() {
    std::ifstream file("/proc/stat");
    std::string line;
    while (std::getline(file, line)) {
        if (line.starts_with("btime ")) {
            double seconds = 0;
            std::istringstream(line.substr(6)) >> seconds;
            return seconds;
        }
    }
    return 0;
}

std::size_t open_descriptors() {
    std::error_code error;
    std::size_t count = 0;
    for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end;
         !error && entry != end;
         entry.increment(error)) {
        ++count;
    }
    return count;
}

}  // namespace

void write_process(TextWriter& out) {
    const Stat stat = read_stat();
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    out.family("process_start_time_seconds", Type::kGauge, "When lbd started, since the epoch.");
    out.sample("", "", boot_seconds() + static_cast<double>(stat.start_ticks) / ticks);
    out.family("process_cpu_seconds_total", Type::kCounter, "CPU time that lbd has used.");
    out.sample("", "", static_cast<double>(stat.user_ticks + stat.system_ticks) / ticks);
    out.family("process_resident_memory_bytes", Type::kGauge, "Memory of lbd in RAM.");
    out.sample("", "", stat.resident_pages * page_bytes);
    out.family("process_virtual_memory_bytes", Type::kGauge, "Address space of lbd.");
    out.sample("", "", stat.virtual_bytes);
    out.family("process_open_fds", Type::kGauge, "Open file descriptors of lbd.");
    out.sample("", "", open_descriptors());
    out.family("log_lost_lines_total",
               Type::kCounter,
               "Lines of lbd's log that stderr did not take in time.");
    out.sample("", "", lost_log_lines());
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        out.family("process_max_fds", Type::kGauge, "File descriptors that lbd may open.");
        out.sample("", "", std::uint64_t{limit.rlim_cur});
    }
}

}  // namespace fairlead::metrics
