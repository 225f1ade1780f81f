#include "ctl/agent/sysctl.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include <fmt/format.h>

#include "dp/base/error_text.h"

namespace fairlead::agent {
namespace {

constexpr int kStrictSource = 1;
constexpr int kLooseSource = 2;

std::string ipv4_name(const std::string& interface_name, std::string_view setting) {
    return fmt::format("net/ipv4/conf/{}/{}", interface_name, setting);
}

}  // namespace

Result<int> Sysctls::read(const std::string& name) const {
    std::ifstream file(root_ / name);
    int value = 0;
    if (!(file >> value)) {
        return fail(fmt::format("cannot read the kernel setting {}", (root_ / name).string()));
    }
    return value;
}

Status Sysctls::write(const std::string& name, int value) const {
    errno = 0;
    std::ofstream file(root_ / name);
    file << value << '\n' << std::flush;
    if (!file) {
        return fail(fmt::format("cannot set the kernel setting {} to {}: {}",
                                (root_ / name).string(),
                                value,
                                error_text(errno)));
    }
    return {};
}

bool Sysctls::exists(const std::string& name) const {
    std::error_code ignored;
    return std::filesystem::exists(root_ / name, ignored);
}

Result<std::vector<SysctlChange>> needed_changes(
    const std::string& interface_name,
    const std::function<Result<int>(const std::string&)>& original) {
    struct Rule {
        std::string name;
        // Larger values of arp_ignore are stricter, except 3 (answers for global addresses of other
        // interfaces).
        std::vector<int> good;
        int wanted;
    };
    std::vector<Rule> rules;
    for (const std::string& where : {std::string("all"), interface_name}) {
        rules.push_back({ipv4_name(where, "arp_ignore"), {1, 2, 8}, 1});
        rules.push_back({ipv4_name(where, "arp_announce"), {2}, 2});
    }
    std::vector<SysctlChange> changes;
    for (const Rule& rule : rules) {
        const Result<int> value = original(rule.name);
        if (!value) {
            return fail(value.error().message);
        }
        if (std::find(rule.good.begin(), rule.good.end(), *value) == rule.good.end()) {
            changes.push_back({rule.name, *value, rule.wanted});
        }
    }
    const Result<int> everywhere = original(ipv4_name("all", "rp_filter"));
    const Result<int> here = original(ipv4_name(interface_name, "rp_filter"));
    if (!everywhere || !here) {
        return fail((everywhere ? here : everywhere).error().message);
    }
    if (std::max(*everywhere, *here) == kStrictSource) {
        changes.push_back({ipv4_name(interface_name, "rp_filter"), *here, kLooseSource});
    }
    return changes;
}

}  // namespace fairlead::agent
