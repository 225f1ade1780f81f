// What operators have changed, as JSON texts that outlive the daemon, and back.
//
// Pure functions. An error says what is wrong in the text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ctl/model/overrides.h"
#include "dp/base/result.h"

namespace fairlead::model {

// One backend's. Of `former`, the text that stood there before, what this version does not know is
// kept. "": there is nothing to keep.
[[nodiscard]] std::string write_entry(const BackendOverrides& entry, std::string_view former = "");
[[nodiscard]] Result<BackendOverrides> read_entry(std::string_view text);

// The node's.
[[nodiscard]] std::string write_admin(const AdminOverride& admin);
[[nodiscard]] Result<AdminOverride> read_admin(std::string_view text);

// overrides.json, format 1, in which earlier versions kept all of it.
struct ReadOverrides {
    Kept kept;
    std::vector<std::string> problems;  // a sentence an entry that could not be read
};
[[nodiscard]] Result<ReadOverrides> read_overrides(std::string_view text);

}  // namespace fairlead::model
