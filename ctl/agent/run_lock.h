// One lbagent a run directory.
//
// The lock is an flock on a file, so that it goes with its process, however that ends. The file
// stays: deleting it would let two programs lock two files of one name.
#pragma once

#include <filesystem>
#include <utility>

#include "dp/base/descriptor.h"
#include "dp/base/result.h"

namespace fairlead::agent {

class RunLock {
  public:
    // Makes the directory if it is missing. Fails, with the other's process number, if another
    // holds the lock.
    [[nodiscard]] static Result<RunLock> take(const std::filesystem::path& run_dir);

  private:
    explicit RunLock(Descriptor file) : file_(std::move(file)) {}
    Descriptor file_;
};

}  // namespace fairlead::agent
