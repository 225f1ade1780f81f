// The run and state directories, made where they are missing.
#pragma once

#include <string>

#include "dp/base/result.h"

namespace fairlead::daemon {

enum class Needs : bool {
    kWriting,
    kReading,  // what cannot be written is told later
};

// Makes `path` (mode 0755) if its parent is there. Error, with the fix: no parent, no directory,
// not ours to use so. `option` is what chooses it on the command line.
[[nodiscard]] Status prepare_directory(const std::string& path,
                                       const std::string& option,
                                       Needs needs = Needs::kWriting);

}  // namespace fairlead::daemon
