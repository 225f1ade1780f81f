#include "ctl/agent/state_file.h"

#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dp/base/descriptor.h"
#include "dp/base/error_text.h"

#include <nlohmann/json.hpp>

namespace fairlead::agent {
namespace {

constexpr int kVersion = 1;

nlohmann::json to_json(const State& state) {
    nlohmann::json json = {
        {"version", kVersion},
        {"boot_id", state.host.boot_id},
        {"network_namespace", state.host.network_namespace},
        {"sysctls", nlohmann::json::array()},
        {"vips", nlohmann::json::array()},
        {"mounted_pins", state.has_mounted_pins},
    };
    for (const SysctlChange& change : state.sysctls) {
        json["sysctls"].push_back(
            {{"name", change.name}, {"original", change.original}, {"set", change.wanted}});
    }
    for (const IpAddress& vip : state.vips) {
        json["vips"].push_back(vip.text().data());
    }
    return json;
}

// Throws nlohmann::json::exception on anything but what to_json wrote.
std::optional<State> from_json(const nlohmann::json& json) {
    if (json.at("version").get<int>() != kVersion) {
        return std::nullopt;
    }
    State state;
    state.host.boot_id = json.at("boot_id").get<std::string>();
    state.host.network_namespace = json.at("network_namespace").get<std::uint64_t>();
    for (const nlohmann::json& change : json.at("sysctls")) {
        state.sysctls.push_back({change.at("name").get<std::string>(),
                                 change.at("original").get<int>(),
                                 change.at("set").get<int>()});
    }
    for (const nlohmann::json& text : json.at("vips")) {
        const std::optional<IpAddress> vip = IpAddress::parse(text.get<std::string>());
        if (!vip) {
            return std::nullopt;
        }
        state.vips.push_back(*vip);
    }
    // Files of versions that pinned nothing have no such key.
    state.has_mounted_pins = json.value("mounted_pins", false);
    return state;
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return fsync(fd) == 0;
}

}  // namespace

Result<HostIdentity> current_host() {
    HostIdentity host;
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    struct stat network {};
    if (!(file >> host.boot_id) || stat("/proc/self/ns/net", &network) != 0) {
        return fail("cannot read /proc; is it mounted?");
    }
    host.network_namespace = network.st_ino;
    return host;
}

Result<std::optional<State>> StateFile::load() const {
    std::error_code error;
    if (!std::filesystem::exists(path_, error) && !error) {
        return std::optional<State>();
    }
    std::ifstream file(path_);
    std::ostringstream text;
    text << file.rdbuf();
    try {
        std::optional<State> state = from_json(nlohmann::json::parse(text.str()));
        if (state) {
            return state;
        }
    } catch (const nlohmann::json::exception&) {
        // Reported below: which part of it is damaged helps nobody.
    }
    return fail(fmt::format(
        "{} is damaged or from another version; see what it says, take those settings and "
        "addresses back by hand, and delete it",
        path_.string()));
}

Status StateFile::save(const State& state) const {
    const std::filesystem::path fresh = path_.string() + ".new";
    Descriptor file(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file.is_open() || !write_all(file.get(), to_json(state).dump(2) + "\n")) {
        return fail(fmt::format("cannot write {}: {}", fresh.string(), error_text(errno)));
    }
    file.close();
    std::error_code error;
    std::filesystem::rename(fresh, path_, error);
    if (error) {
        return fail(fmt::format("cannot replace {}: {}", path_.string(), error.message()));
    }
    return {};
}

Status StateFile::remove() const {
    std::error_code error;
    std::filesystem::remove(path_, error);
    if (error) {
        return fail(fmt::format("cannot delete {}: {}", path_.string(), error.message()));
    }
    return {};
}

}  // namespace fairlead::agent
