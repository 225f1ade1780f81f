#include "dp/engine/interrupt_deferral.h"

#include <array>
#include <cstdint>
#include <fstream>
#include <utility>

#include "dp/engine/interface.h"

namespace fairlead::engine {
namespace {

// As the kernel's documentation proposes: a fifth of a millisecond, twice.
constexpr std::array<std::pair<const char*, std::uint64_t>, 2> kSettings{
    {{"napi_defer_hard_irqs", 2}, {"gro_flush_timeout", 200'000}}};

std::string path_of(const std::string& interface, const char* file) {
    return "/sys/class/net/" + interface + "/" + file;
}

std::uint64_t read_number(const std::string& path) {
    std::uint64_t number = 0;
    std::ifstream(path) >> number;
    return number;
}

bool write_number(const std::string& path, std::uint64_t number) {
    std::ofstream file(path);
    file << number << std::flush;
    return file.good();
}

}  // namespace

bool InterruptDeferral::begin(const std::string& interface, unsigned index) {
    end();
    if (read_number(path_of(interface, "ifindex")) != index) {
        return false;
    }
    bool is_set_already = true;
    for (const auto& [file, value] : kSettings) {
        is_set_already = is_set_already && read_number(path_of(interface, file)) != 0;
    }
    if (is_set_already) {
        return true;
    }
    interface_ = interface;
    index_ = index;
    for (const auto& [file, value] : kSettings) {
        if (!write_number(path_of(interface, file), value)) {
            end();
            return false;
        }
    }
    return true;
}

void InterruptDeferral::end() {
    if (interface_.empty()) {
        return;
    }
    if (const std::string name = interface_name(index_); !name.empty()) {
        for (const auto& [file, value] : kSettings) {
            const std::string path = path_of(name, file);
            if (read_number(path) == value) {
                (void)write_number(path, 0);
            }
        }
    }
    interface_.clear();
}

}  // namespace fairlead::engine
