// What operators changed at run time, on top of the file: values, and who, when and why.
//
// Plain values. They outlive the daemon (ctl/store), are never merged into the file, and yield to
// it where it changes afterwards what they override (reconcile.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "ctl/model/states.h"
#include "dp/net/ip_address.h"
#include "dp/net/mac_address.h"

namespace fairlead::model {

struct BackendKey {
    std::string service;
    std::string name;
    friend bool operator<(const BackendKey& one, const BackendKey& other) {
        return std::tie(one.service, one.name) < std::tie(other.service, other.name);
    }
    friend bool operator==(const BackendKey&, const BackendKey&) = default;
};

// "portal/app-1", as commands and messages write it.
[[nodiscard]] inline std::string to_text(const BackendKey& key) {
    return key.service + "/" + key.name;
}

struct Provenance {
    std::string by;  // "root (uid 0)"
    std::string at;  // RFC 3339
    std::string reason;
    friend bool operator==(const Provenance&, const Provenance&) = default;
};

struct AdminOverride {
    Admin value = Admin::kReady;
    Provenance made;
    friend bool operator==(const AdminOverride&, const AdminOverride&) = default;
};

struct WeightOverride {
    std::uint32_t value = 0;
    std::optional<std::uint32_t> in_file;  // what the file said then; nothing: not in the file
    Provenance made;
    friend bool operator==(const WeightOverride&, const WeightOverride&) = default;
};

// A backend that the file does not know.
struct Addition {
    IpAddress address;
    std::uint32_t weight = 1;
    Provenance made;
    friend bool operator==(const Addition&, const Addition&) = default;
};

// A backend of the file that is not wanted any more, and how the file described it. What was said
// of its server holds on when it comes back: whoever adds it again has not said that it is well.
struct Removal {
    IpAddress address;
    std::uint32_t weight = 1;
    std::optional<MacAddress> mac;
    Provenance made;
    std::optional<AdminOverride> admin{};  // nothing: it was ready
    friend bool operator==(const Removal&, const Removal&) = default;
};

struct BackendOverrides {
    std::optional<AdminOverride> admin;
    std::optional<WeightOverride> weight;
    std::optional<Addition> addition;
    std::optional<Removal> removal;
    bool is_orphaned = false;  // the last file that was read has no such service

    [[nodiscard]] bool empty() const { return !admin && !weight && !addition && !removal; }
    friend bool operator==(const BackendOverrides&, const BackendOverrides&) = default;
};

// No entry is empty.
using Overrides = std::map<BackendKey, BackendOverrides>;

// All that operators have changed at run time.
struct Kept {
    Overrides overrides;
    std::optional<AdminOverride> node;  // this balancer is drained; nothing: it is ready
    friend bool operator==(const Kept&, const Kept&) = default;
};

// How many there are of each kind, for status and metrics.
struct OverrideCounts {
    std::size_t admin = 0;
    std::size_t weight = 0;
    std::size_t addition = 0;
    std::size_t removal = 0;
    [[nodiscard]] std::size_t total() const { return admin + weight + addition + removal; }
};
[[nodiscard]] inline OverrideCounts count(const Overrides& overrides) {
    OverrideCounts counts;
    for (const auto& [key, entry] : overrides) {
        counts.admin += entry.admin ? 1U : 0U;
        counts.weight += entry.weight ? 1U : 0U;
        counts.addition += entry.addition ? 1U : 0U;
        counts.removal += entry.removal ? 1U : 0U;
    }
    return counts;
}

}  // namespace fairlead::model
