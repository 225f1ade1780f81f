// overrides.json in the state directory: kept whole through any crash.
//
// A save is a new file, synced, renamed over the old one, and the directory synced: after a crash
// at any moment there is the old text or the new, never half of one. One writer: the daemon.
#pragma once

#include <string>
#include <string_view>

#include "ctl/model/overrides.h"
#include "dp/base/result.h"

namespace fairlead::model {

inline constexpr std::string_view kOverridesFile = "overrides.json";

struct LoadedOverrides {
    Kept kept;
    std::string problem;  // a sentence where the file was unusable and moved aside; else empty
};

// A missing file is an empty one. A file that cannot be understood is renamed to
// overrides.json.corrupt-TIME, since traffic matters more than the service's start failing.
// Error: the directory or the file cannot be read or moved.
[[nodiscard]] Result<LoadedOverrides> load_overrides(const std::string& state_dir);

// When it returns without an error the text is on disk.
[[nodiscard]] Status save_overrides(const std::string& state_dir, const Kept& kept);

// The file's text, and back. Error: what is wrong in the text.
[[nodiscard]] std::string write_overrides(const Kept& kept);
[[nodiscard]] Result<Kept> read_overrides(std::string_view text);

}  // namespace fairlead::model
