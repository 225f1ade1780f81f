#include "ctl/model/overrides_file.h"

#include <cerrno>
#include <cstdio>

#include "ctl/model/atomic_file.h"
#include "ctl/model/moment.h"
#include "dp/base/error_text.h"

namespace fairlead::model {
namespace {

constexpr std::size_t kMaxBytes = 64U << 20U;
constexpr mode_t kMode = 0640;

std::string path_in(const std::string& state_dir) {
    return state_dir + "/" + std::string(kOverridesFile);
}

}  // namespace

Result<LoadedOverrides> load_overrides(const std::string& state_dir) {
    const std::string path = path_in(state_dir);
    bool missing = false;
    const Result<std::string> text = read_file(path, kMaxBytes, missing);
    if (missing) {
        return LoadedOverrides{};
    }
    if (!text) {
        return Unexpected{text.error()};
    }
    Result<Kept> kept = read_overrides(*text);
    LoadedOverrides loaded;
    if (kept) {
        loaded.kept = std::move(*kept);
        return loaded;
    }
    const std::string aside = path + ".corrupt-" + rfc3339(now());
    if (std::rename(path.c_str(), aside.c_str()) != 0) {
        return fail(path + " cannot be understood (" + kept.error().message +
                    ") and cannot be moved aside: " + error_text(errno));
    }
    loaded.problem = path + " could not be understood (" + kept.error().message +
                     "): it was moved to " + aside +
                     ", and what operators had changed at run time is not in force";
    return loaded;
}

Status save_overrides(const std::string& state_dir, const Kept& kept) {
    return write_file_atomically(path_in(state_dir), write_overrides(kept), kMode);
}

}  // namespace fairlead::model
