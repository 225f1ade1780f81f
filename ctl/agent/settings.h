// What an operator asks of lbagent, checked before anything on the host is touched.
//
// Plain values; no I/O; any thread.
#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "dp/base/result.h"
#include "dp/net/ip_address.h"

namespace fairlead::agent {

// A range of addresses; prefix_bits counts from the start of the family's own form: 32 or 128 for
// one.
struct AddressPrefix {
    IpAddress address;
    unsigned prefix_bits = 0;

    friend bool operator==(const AddressPrefix&, const AddressPrefix&) = default;
};

// The command line as it was typed.
struct Arguments {
    std::string interface_name;
    std::vector<std::string> vips;
    std::vector<std::string> balancers;
    bool no_tunnel = false;
    std::optional<unsigned> mss;
    std::filesystem::path run_dir;
};

struct Settings {
    std::string interface_name;
    std::vector<IpAddress> vips;  // each once
    // From where tunnels are taken. Empty: none are, and no BPF program is needed.
    std::vector<AddressPrefix> balancers;
    // The largest segment of IPv4 that the tunnels carry; by default the interface's MTU tells it.
    std::optional<unsigned> mss;
    std::filesystem::path run_dir;

    [[nodiscard]] bool has_vip(const IpAddress& address) const {
        return std::find(vips.begin(), vips.end(), address) != vips.end();
    }
    [[nodiscard]] bool takes_tunnels() const { return !balancers.empty(); }
};

// All mistakes are found, not the first; each is a sentence with what to do. Whether the interface
// exists is for the caller to see.
[[nodiscard]] Result<Settings, std::vector<Error>> check(const Arguments& arguments);

}  // namespace fairlead::agent
