// lbagent at work: from settings to a backend that answers for its VIPs, until a signal ends it.
//
// Both functions log what they do and return a process's exit code: 0 done, 1 failed. They are for
// a program's only thread.
#pragma once

#include <filesystem>

#include "ctl/agent/settings.h"

namespace fairlead::agent {

// Sets the host up, says READY to the service manager, and stays until SIGTERM, SIGINT or SIGHUP,
// or until the interface is gone; then takes everything back. SIGUSR1 logs the counters. Blocks
// these signals for good.
[[nodiscard]] int run(const Settings& settings);

// Takes back what a run that was killed has left behind. Nothing left behind is success too.
[[nodiscard]] int remove_leftovers(const std::filesystem::path& run_dir);

}  // namespace fairlead::agent
