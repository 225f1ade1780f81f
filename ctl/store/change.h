// What the daemon writes down. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ctl/model/overrides.h"
#include "dp/net/ip_address.h"

namespace fairlead::store {

// Who did what, and why.
struct JournalEntry {
    std::string at;  // RFC 3339
    std::string by;  // "root (uid 0)"
    std::string reason;
    std::string what;     // "backend-changed"
    std::string of;       // "backend"
    std::string subject;  // "portal/app-1"
    std::string before;
    std::string after;
};

// How long a backend has been what it is.
struct Remembered {
    model::BackendKey backend;
    IpAddress address;
    std::string effective;            // "serving"
    std::int64_t since_ns = 0;        // since the epoch, as drain_start_ns
    std::int64_t drain_start_ns = 0;  // 0: no drain goes on
    std::uint64_t transitions = 0;
};

// One transaction.
struct Change {
    // Of each backend, what is overridden now; an empty entry: nothing any more.
    std::vector<std::pair<model::BackendKey, model::BackendOverrides>> overrides;
    bool changes_node = false;
    std::optional<model::AdminOverride> node;
    std::vector<JournalEntry> journal;
    std::vector<Remembered> remembered;
    bool forgets_others = false;  // `remembered` is all that there is

    [[nodiscard]] bool empty() const {
        return overrides.empty() && !changes_node && journal.empty() && remembered.empty() &&
               !forgets_others;
    }
};

// What has to be written for `after` to be kept where `before` is.
[[nodiscard]] Change difference(const model::Kept& before, const model::Kept& after);

}  // namespace fairlead::store
