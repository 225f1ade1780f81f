// lbagent at work: from settings to a backend that answers for its VIPs, until a signal ends it.
//
// Both functions log what they do and return a process's exit code: 0 done, 1 failed. They are for
// a program's only thread.
#pragma once

#include <filesystem>

#include "ctl/agent/settings.h"

namespace fairlead::agent {

// Sets the host up, says READY to the service manager, and keeps it so until SIGTERM, SIGINT or
// SIGHUP ends it. All of it stays then: the next run takes it over, and settings that have changed
// apply. SIGUSR1 logs the counters. Blocks these signals for good.
[[nodiscard]] int run(const Settings& settings);

// Takes back what earlier runs have set up. Nothing there is success too.
[[nodiscard]] int remove_setup(const std::filesystem::path& run_dir);

}  // namespace fairlead::agent
