// What a newly read file changes, in sentences, and what of it needs a restart.
#pragma once

#include <string>
#include <vector>

#include "conf/schema/config.h"

namespace fairlead::model {

struct RestartNeed {
    std::string sentence;  // "[engine] has changed: restart lbdp to apply it"
    bool of_engine_alone = false;
};

struct ConfigDiff {
    std::vector<std::string> changes;  // "added backend portal/app-4 (10.0.4.4, weight 10)"
    std::vector<RestartNeed> needs_restart;
};

[[nodiscard]] ConfigDiff compare(const conf::Config& before, const conf::Config& after);

// `after` with everything that this daemon reads only as it starts as it is in `running`.
[[nodiscard]] conf::Config without_restart_keys(conf::Config after, const conf::Config& running);

}  // namespace fairlead::model
