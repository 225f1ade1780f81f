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
constexpr std::string_view kSourceCheck = "rp_filter";

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

const SysctlChange* find_change(const std::vector<SysctlChange>& changes, const std::string& name) {
    const auto found =
        std::find_if(changes.begin(), changes.end(), [&](const SysctlChange& change) {
            return change.name == name;
        });
    return found == changes.end() ? nullptr : &*found;
}

Result<std::vector<SysctlChange>> needed_changes(const std::string& interface_name,
                                                 const std::vector<TunnelDevice>& tunnels,
                                                 const ReadSysctl& read) {
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
        const Result<int> value = read(rule.name);
        if (!value) {
            return fail(value.error().message);
        }
        if (std::find(rule.good.begin(), rule.good.end(), *value) == rule.good.end()) {
            changes.push_back({rule.name, *value, rule.wanted});
        }
    }
    const Result<int> everywhere = read(ipv4_name("all", kSourceCheck));
    const Result<int> here = read(ipv4_name(interface_name, kSourceCheck));
    if (!everywhere || !here) {
        return fail((everywhere ? here : everywhere).error().message);
    }
    const auto loosen = [&](const std::string& device, int value) {
        if (std::max(*everywhere, value) == kStrictSource) {
            changes.push_back({ipv4_name(device, kSourceCheck), value, kLooseSource});
        }
    };
    loosen(interface_name, *here);
    for (const TunnelDevice& tunnel : tunnels) {
        const Result<int> there = read(ipv4_name(tunnel.name, kSourceCheck));
        if (tunnel.has_v4_address && there) {  // otherwise it is about to go
            loosen(tunnel.name, *there);
        }
    }
    return changes;
}

std::vector<std::string> silent_tunnels(const std::vector<TunnelDevice>& tunnels,
                                        const ReadSysctl& read) {
    std::vector<std::string> sentences;
    for (const TunnelDevice& tunnel : tunnels) {
        const Result<int> everywhere = read(ipv4_name("all", kSourceCheck));
        const Result<int> here = read(ipv4_name(tunnel.name, kSourceCheck));
        if (tunnel.has_v4_address || !everywhere || !here || std::max(*everywhere, *here) == 0) {
            continue;
        }
        sentences.push_back(fmt::format(
            "{0} has no IPv4 address, and rp_filter {1} drops what comes out of its tunnels: give "
            "it one, the host's own will do (ip address add ADDRESS/32 dev {0}), or switch "
            "rp_filter off (sysctl -w{2} net.ipv4.conf.{0}.rp_filter=0)",
            tunnel.name,
            std::max(*everywhere, *here),
            *everywhere == 0 ? "" : " net.ipv4.conf.all.rp_filter=0"));
    }
    return sentences;
}

}  // namespace fairlead::agent
